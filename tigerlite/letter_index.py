"""The index JSON that LETTER and its descendants publish: external item id -> ["<a_80>", "<b_235>", ...].

The letter is the level (a = first), the number the 0-based code (LETTER, arXiv 2405.07314). Readers of data sets and tokenizers
both take it.
"""

import json
import re
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tigerlite.config import InputError

if TYPE_CHECKING:
    import numpy as np

_TOKEN = re.compile(r"<([a-z])_([0-9]{1,9})>")


def read_letter_index(file: Path, item_ids: Sequence[str]) -> "np.ndarray":
    """Codes (N + 1, L) int32: row 0 zeros, row i the i-th of `item_ids` counted from 1; other ids are ignored.

    Raises:
        InputError: as `read_index` and `codes_from_tokens`.
    """
    file = Path(file)
    return codes_from_tokens(read_index(file, "the name of the index file"), item_ids, f"index file {file}")


def read_index(path: Path, setting: str) -> dict[str, list[str]]:
    """Item -> its tokens.

    Args:
        path: the file.
        setting: what to check if it does not exist.

    Raises:
        InputError: as `read_json_object`, and if an item has anything but a list of strings.
    """
    content = read_json_object(path, setting)
    for item, tokens in content.items():
        if not (isinstance(tokens, list) and tokens and all(isinstance(token, str) for token in tokens)):
            raise InputError(
                f'{path}: item {item!r} has {tokens!r}; expected a list of tokens such as ["<a_80>", "<b_2>"]'
            )
    return content


def read_json_object(path: Path, setting: str) -> dict[str, Any]:
    """The keys and values of a JSON file.

    Args:
        path: the file.
        setting: what to check if it does not exist.

    Raises:
        InputError: if the file is missing, is not JSON (the line is given), or holds anything but an object.
    """
    if not path.is_file():
        raise InputError(f"file {path} does not exist; check {setting}")
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


def codes_from_tokens(
    identifiers: Mapping[str, Sequence[str]], item_ids: Sequence[str], source: str = "the published identifiers"
) -> "np.ndarray":
    """Codes (N + 1, L) int32 of the items in `item_ids`, row 0 zeros; the letter of a token is its level.

    Args:
        identifiers: item -> tokens; of other items too.
        item_ids: N external ids.
        source: what errors call the identifiers.

    Raises:
        InputError: if an item has no identifier, levels differ in number, or a token is not `<letter_number>` of its
        level.

    >>> codes_from_tokens({"7": ["<a_80>", "<b_2>"]}, ["7"]).tolist()
    [[0, 0], [80, 2]]
    """
    import numpy as np

    missing = [item for item in item_ids if item not in identifiers]
    if missing:
        raise InputError(
            f"{source}: {len(missing)} of {len(item_ids)} items have no semantic id (first: {missing[0]!r}); "
            "complete the index file or do not name it"
        )
    n_levels = len(identifiers[item_ids[0]]) if item_ids else 0
    codes = np.zeros((len(item_ids) + 1, n_levels), dtype=np.int32)
    for row, item in enumerate(item_ids, start=1):
        tokens = identifiers[item]
        if len(tokens) != n_levels:
            raise InputError(
                f"{source}: item {item!r} has {len(tokens)} tokens, item {item_ids[0]!r} has {n_levels}; every item needs as many"
            )
        codes[row] = [_code(source, item, level, token) for level, token in enumerate(tokens)]
    return codes


def write_letter_index(file: Path, codes: "np.ndarray", item_ids: Sequence[str]) -> None:
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


def _code(source: str, item: str, level: int, token: str) -> int:
    match = _TOKEN.fullmatch(token)
    expected = chr(ord("a") + level)
    if match is None or match[1] != expected:
        raise InputError(
            f"{source}: item {item!r} has token {token!r} at level {level + 1}; expected '<{expected}_NUMBER>'"
        )
    return int(match[2])
