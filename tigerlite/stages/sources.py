"""Files that a stage reads besides its artifacts: what they contain belongs to the stage's fingerprint, not their path."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """Files outside the run that a result depends on."""

    fingerprint: str
    """Changes with the names and contents of the files."""


def source_of(files: Sequence[Path], folder: Path) -> Source:
    """The source made of `files`, named relative to `folder`; sub-folders among them are passed over."""
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            with file.open("rb") as content:
                digest.update(
                    f"{file.relative_to(folder)}\n".encode() + hashlib.file_digest(content, "sha256").digest()
                )
    return Source(digest.hexdigest()[:16])
