"""The index JSON that LETTER and its descendants publish: external item id -> ["<a_80>", "<b_235>", ...].

The letter is the level (a = first), the number the 0-based code (LETTER, arXiv 2405.07314).
"""

import json
import re
import string
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tigerlite.config import InputError

_TOKEN = re.compile(r"<([a-z])_([0-9]{1,9})>")


def read_letter_index(file: Path, item_ids: Sequence[str]) -> np.ndarray:
    """Codes (N + 1, L) int32: row 0 zeros, row i the i-th of `item_ids` counted from 1; other ids are ignored.

    Raises:
        InputError: if the file is absent or not JSON, an item is missing, or a list is not one code per level in order.
    """
    try:
        index = json.loads(Path(file).read_text())
    except FileNotFoundError:
        raise InputError(f"index file {file} does not exist") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"index file {file} is not JSON: {error}") from None
    if not isinstance(index, dict):
        raise InputError(f'index file {file} must map item ids to lists like ["<a_80>", "<b_3>"]')
    missing = [item for item in item_ids if item not in index]
    if missing:
        raise InputError(f"index file {file} lacks {len(missing)} of {len(item_ids)} items, e.g. '{missing[0]}'")
    rows = [_parse(file, item, index[item]) for item in item_ids]
    n_levels = len(rows[0]) if rows else 0
    for item, row in zip(item_ids, rows, strict=True):
        if len(row) != n_levels:
            raise InputError(f"index file {file}: item '{item}' has {len(row)} codes, item '{item_ids[0]}' {n_levels}")
    return np.array([[0] * n_levels, *rows], dtype=np.int32)


def write_letter_index(file: Path, codes: np.ndarray, item_ids: Sequence[str]) -> None:
    """Write codes (N + 1, L), row 0 padding, under their external ids.

    Raises:
        InputError: if there are more than 26 levels or the number of items differs.
    """
    n_items, n_levels = codes.shape[0] - 1, codes.shape[1]
    if n_levels > len(string.ascii_lowercase):
        raise InputError(f"the letter index has 26 level letters, the codes have {n_levels} levels")
    if n_items != len(item_ids):
        raise InputError(f"{len(item_ids)} item ids were given for {n_items} items")
    rows = (
        [f"<{string.ascii_lowercase[level]}_{code}>" for level, code in enumerate(row)] for row in codes[1:].tolist()
    )
    Path(file).write_text(json.dumps(dict(zip(item_ids, rows, strict=True))))


def _parse(file: Path, item: str, tokens: object) -> list[int]:
    matches = [_TOKEN.fullmatch(str(token)) for token in tokens] if isinstance(tokens, list) else []
    letters = "".join(match.group(1) for match in matches if match)
    if not matches or letters != string.ascii_lowercase[: len(matches)]:
        raise InputError(f'index file {file}: item \'{item}\' has {tokens}; expected a list like ["<a_80>", "<b_3>"]')
    return [int(match.group(2)) for match in matches if match]
