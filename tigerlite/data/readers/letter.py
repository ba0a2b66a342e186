"""The files that LETTER (arXiv 2405.07314) publishes: JSON objects, ids from 0, no timestamps.

`inter.json` maps a user to the item ids in time order, `items.json` an item to its fields, `index.json` an item to its
semantic id, one token per level: `["<a_80>", "<b_235>", ...]` (`letter_index.py`). Only items with interactions become
items of the data set.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tigerlite.columns import ITEM, USER
from tigerlite.config import InputError
from tigerlite.data.tables import Tables, interactions_table, items_table
from tigerlite.letter_index import read_index, read_json_object

if TYPE_CHECKING:
    import polars as pl

FILES = "prepare.folder and the file names of the reader"
"""What to check when a file is missing."""


@dataclass(frozen=True, kw_only=True)
class LetterConfig:
    """File names inside `prepare.folder`; the optional ones are set where the data set has them."""

    interactions: str = "inter.json"
    """User -> item ids in time order."""
    items: str | None = None
    """Item -> fields such as title and description; None = the items have no text."""
    index: str | None = None
    """Item -> tokens of its published semantic id; None = there is none."""


def read(folder: Path, config: LetterConfig) -> Tables:
    """The interactions in time order, without times; items and identifiers where the config names their files.

    Raises:
        InputError: on a missing file, a line that is not JSON, or another structure than described above.
    """
    path = folder / config.interactions
    users, items = [], []
    for user, history in read_json_object(path, FILES).items():
        if not isinstance(history, list):
            raise InputError(f"{path}: user {user!r} has {history!r}; expected a list of item ids")
        if any(isinstance(item, bool | float | list | dict) for item in history):
            raise InputError(f"{path}: user {user!r} has an item id that is neither a whole number nor a string")
        users += [user] * len(history)
        items += [None if item is None else str(item) for item in history]
    return Tables(
        sequence_interactions(users, items, str(path)),
        read_items(folder / config.items) if config.items else None,
        read_index(folder / config.index, FILES) if config.index else None,
    )


def files(folder: Path, config: LetterConfig) -> list[Path]:
    """The files that the config names."""
    return [folder / name for name in (config.interactions, config.items, config.index) if name is not None]


def sequence_interactions(users: list[str], items: list[str | None], source: str) -> "pl.LazyFrame":
    """Interactions without times, in the order given."""
    import polars as pl

    frame = pl.LazyFrame({USER: users, ITEM: items}, schema={USER: pl.String, ITEM: pl.String})
    return interactions_table(frame, source=source, user=USER, item=ITEM)


def read_items(path: Path) -> "pl.LazyFrame":
    """The item table of a JSON object item -> fields; lists stay lists, everything else becomes a string."""
    import polars as pl

    content = read_json_object(path, FILES)
    for item, fields in content.items():
        if not isinstance(fields, dict):
            raise InputError(f"{path}: item {item!r} has {fields!r}; expected an object of fields")
    names = [name for name in dict.fromkeys(name for fields in content.values() for name in fields) if name != ITEM]
    columns = {ITEM: pl.Series(list(content), dtype=pl.String)}
    columns |= {name: _text_column([fields.get(name) for fields in content.values()]) for name in names}
    return items_table(pl.LazyFrame(columns), source=str(path), item=ITEM)


def _text_column(values: list[Any]) -> "pl.Series":
    import polars as pl

    if any(isinstance(value, list) for value in values):
        return pl.Series([_as_list(value) for value in values], dtype=pl.List(pl.String))
    return pl.Series([None if value is None else _text(value) for value in values], dtype=pl.String)


def _as_list(value: Any) -> list[str]:
    parts: Iterable[Any] = value if isinstance(value, list) else [value]
    return [_text(part) for part in parts if part is not None and part != ""]


def _text(value: Any) -> str:
    # JSON may hold half a surrogate pair, which no UTF-8 file can.
    return str(value).encode("utf-8", "replace").decode("utf-8")
