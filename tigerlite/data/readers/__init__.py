"""One file per input format; `READERS` lists them. A new one is its file, a line here, a section in `PrepareConfig`.

`read(folder, config) -> Tables` and `files(folder, config) -> list[Path]` (what the result depends on) are all that
differs; `config` is the reader's own section, `folder` is None only for readers with `needs_folder=False`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tigerlite.data.readers import demo, letter, s3rec, tabular
from tigerlite.data.tables import Tables


@dataclass(frozen=True)
class Reader:
    """How one format is read."""

    read: Callable[[Any, Any], Tables]
    files: Callable[[Any, Any], list[Path]]
    needs_folder: bool = True


READERS = {
    "demo": Reader(demo.read, demo.files, needs_folder=False),
    "tabular": Reader(tabular.read, tabular.files),
    "letter": Reader(letter.read, letter.files),
    "s3rec": Reader(s3rec.read, s3rec.files),
}
