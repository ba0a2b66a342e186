"""The sequence files of S3-Rec (CIKM 2020): lines `user item item ...` in time order, item ids from 1, no times.

LETTER (arXiv 2405.07314) publishes item texts and semantic ids for the same data sets with ids from 0. Which id there
belongs to which id here is not written anywhere, hence `id_offset`, and hence a mismatch is refused: both files must
name the same items.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tigerlite.columns import ITEM
from tigerlite.config import InputError
from tigerlite.data.readers.letter import FILES, read_items, sequence_interactions
from tigerlite.data.tables import Tables
from tigerlite.letter_index import read_index

# One way to write each id: no sign, no leading zero.
_NUMBER = re.compile(rb"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, kw_only=True)
class S3RecConfig:
    """File names inside `prepare.folder`; the optional ones are set where the data set has them."""

    sequences: str = "sequences.txt"
    """Lines `user item item ...` in time order."""
    items: str | None = None
    """JSON object item -> fields; None = the items have no text."""
    index: str | None = None
    """JSON object item -> tokens of its published semantic id; None = there is none."""
    id_offset: int = 0
    """Added to an item id of the sequences it gives the item's id in the JSON files: -1 where those count from 0."""


def read(folder: Path, config: S3RecConfig) -> Tables:
    """The interactions in time order, without times; the external ids are those of the sequences.

    Raises:
        InputError: on a missing file, a line that is no user and items (its number is given), or JSON files that do
            not name exactly the items of the sequences.
    """
    path = folder / config.sequences
    users, items = _read_sequences(path)
    interacted = dict.fromkeys(items)
    table, identifiers = None, None
    if config.items is not None:
        table = _renumbered_items(folder / config.items, interacted, config.id_offset)
    if config.index is not None:
        index = read_index(folder / config.index, FILES)
        ids = _sequence_ids(folder / config.index, index, interacted, config.id_offset)
        identifiers = {ids[item]: tokens for item, tokens in index.items()}
    return Tables(sequence_interactions(users, items, str(path)), table, identifiers)


def files(folder: Path, config: S3RecConfig) -> list[Path]:
    """The files that the config names."""
    return [folder / name for name in (config.sequences, config.items, config.index) if name is not None]


def _read_sequences(path: Path) -> tuple[list[str], list[str]]:
    """User and item of every interaction, in the order of the file."""
    if not path.is_file():
        raise InputError(f"file {path} does not exist; check prepare.folder and prepare.s3rec.sequences")
    users, items, seen = [], [], set()
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            words = line.split()
            if not words:
                continue
            if not all(_NUMBER.fullmatch(word) for word in words) or b"0" in words[1:]:
                raise InputError(
                    f"{path}, line {number}: expected 'user item item ...' with whole numbers, item ids from 1"
                )
            user, *history = [word.decode() for word in words]
            if user in seen:
                raise InputError(f"{path}, line {number}: user {user} has a line already; put one user on one line")
            seen.add(user)
            users += [user] * len(history)
            items += history
    return users, items


def _renumbered_items(path: Path, interacted: Mapping[str, None], offset: int):
    import polars as pl

    items = read_items(path)
    ids = _sequence_ids(path, items.select(ITEM).collect()[ITEM], interacted, offset)
    return items.with_columns(pl.col(ITEM).replace_strict(ids, return_dtype=pl.String))


def _sequence_ids(path: Path, json_ids: Iterable[str], interacted: Mapping[str, None], offset: int) -> dict[str, str]:
    """Id in the JSON file -> id in the sequences; both sides must name the same items."""
    ids = {}
    for item in json_ids:
        if not _NUMBER.fullmatch(item.encode()):
            raise InputError(f"{path}: item id {item!r} is no whole number, so id_offset cannot be added to it")
        ids[item] = str(int(item) - offset)
    named = set(ids.values())
    unknown = [item for item in interacted if item not in named]
    extra = [item for item in ids if ids[item] not in interacted]
    if unknown or extra:
        first = f"sequence item {unknown[0]} is absent" if unknown else f"item {extra[0]} is in no sequence"
        raise InputError(
            f"{path}: {len(ids)} items, the sequences have {len(interacted)}; with id_offset={offset} {len(unknown)} "
            f"of these are absent and {len(extra)} are in no sequence (first: {first}); set prepare.s3rec.id_offset"
        )
    return ids
