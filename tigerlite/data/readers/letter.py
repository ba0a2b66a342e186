"""The files that LETTER (arXiv 2405.07314) publishes: JSON objects, ids from 0, no timestamps.

`inter.json` maps a user to the item ids in time order, `items.json` an item to its fields, `index.json` an item to its
semantic id, one token per level: `["<a_80>", "<b_235>", ...]`. Only items with interactions become items of the data
set.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tigerlite.columns import ITEM, USER
from tigerlite.config import InputError
from tigerlite.data.tables import Tables, interactions_table, items_table

if TYPE_CHECKING:
    import polars as pl

_TOKEN = re.compile(r"<([a-z])_([0-9]{1,9})>")


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
    for user, history in read_json_object(path).items():
        if not isinstance(history, list):
            raise InputError(f"{path}: user {user!r} has {history!r}; expected a list of item ids")
        if any(isinstance(item, bool | float | list | dict) for item in history):
            raise InputError(f"{path}: user {user!r} has an item id that is neither a whole number nor a string")
        users += [user] * len(history)
        items += [None if item is None else str(item) for item in history]
    return Tables(
        sequence_interactions(users, items, str(path)),
        read_items(folder / config.items) if config.items else None,
        read_index(folder / config.index) if config.index else None,
    )


def files(folder: Path, config: LetterConfig) -> list[Path]:
    """The files that the config names."""
    return [folder / name for name in (config.interactions, config.items, config.index) if name is not None]


def sequence_interactions(users: list[str], items: list[str | None], source: str) -> "pl.LazyFrame":
    """Interactions without times, in the order given."""
    import polars as pl

    frame = pl.LazyFrame({USER: users, ITEM: items}, schema={USER: pl.String, ITEM: pl.String})
    return interactions_table(frame, source=source, user=USER, item=ITEM)


def read_json_object(path: Path) -> dict[str, Any]:
    """The keys and values of a JSON file.

    Raises:
        InputError: if the file is missing, is not JSON (the line is given), or holds anything but an object.
    """
    if not path.is_file():
        raise InputError(f"file {path} does not exist; check prepare.folder and the file names of the reader")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text at byte {error.start}; convert the file") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}; expected one JSON object {{id: ...}}")
    return content


def read_items(path: Path) -> "pl.LazyFrame":
    """The item table of a JSON object item -> fields; lists stay lists, everything else becomes a string."""
    import polars as pl

    content = read_json_object(path)
    for item, fields in content.items():
        if not isinstance(fields, dict):
            raise InputError(f"{path}: item {item!r} has {fields!r}; expected an object of fields")
    names = [name for name in dict.fromkeys(name for fields in content.values() for name in fields) if name != ITEM]
    columns = {ITEM: pl.Series(list(content), dtype=pl.String)}
    columns |= {name: _text_column([fields.get(name) for fields in content.values()]) for name in names}
    return items_table(pl.LazyFrame(columns), source=str(path), item=ITEM)


def read_index(path: Path) -> dict[str, list[str]]:
    """Item -> its tokens.

    Raises:
        InputError: if an item has anything but a list of strings.
    """
    content = read_json_object(path)
    for item, tokens in content.items():
        if not (isinstance(tokens, list) and tokens and all(isinstance(token, str) for token in tokens)):
            raise InputError(
                f'{path}: item {item!r} has {tokens!r}; expected a list of tokens such as ["<a_80>", "<b_2>"]'
            )
    return content


def codes_from_tokens(identifiers: dict[str, list[str]], item_ids: Sequence[str]) -> np.ndarray:
    """Codes (N + 1, L) int32 of the items in `item_ids`, row 0 zeros; the letter of a token is its level.

    Raises:
        InputError: if an item has no identifier, levels differ in number, or a token is not `<letter_number>` of its
        level.

    >>> codes_from_tokens({"7": ["<a_80>", "<b_2>"]}, ["7"]).tolist()
    [[0, 0], [80, 2]]
    """
    missing = [item for item in item_ids if item not in identifiers]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(item_ids)} interacted items have no semantic id (first: {missing[0]!r}); "
            "complete the index file or do not name it"
        )
    n_levels = len(identifiers[item_ids[0]])
    codes = np.zeros((len(item_ids) + 1, n_levels), dtype=np.int32)
    for row, item in enumerate(item_ids, start=1):
        tokens = identifiers[item]
        if len(tokens) != n_levels:
            raise InputError(
                f"item {item!r} has {len(tokens)} tokens, item {item_ids[0]!r} has {n_levels}; every item needs as many"
            )
        codes[row] = [_code(item, level, token) for level, token in enumerate(tokens)]
    return codes


def _code(item: str, level: int, token: str) -> int:
    match = _TOKEN.fullmatch(token)
    expected = chr(ord("a") + level)
    if match is None or match[1] != expected:
        raise InputError(f"item {item!r} has token {token!r} at level {level + 1}; expected '<{expected}_NUMBER>'")
    return int(match[2])


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
