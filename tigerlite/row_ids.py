"""Which row of a matrix is which item: a text file of external item ids, one a line. Rows in another order, or shifted by one,
train without an error."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tigerlite.config import InputError


def rows_of_items(ids: Path, file: Path, n_rows: int, item_ids: Sequence[str], setting: str) -> np.ndarray:
    """Row (N,) of each item of `item_ids`; rows of other items are left out.

    Args:
        ids: the list, in the order of the rows.
        file: whose rows they are, for messages.
        n_rows: of that file.
        item_ids: external ids of the prepared data in their order.
        setting: that names `ids`, for messages.

    Raises:
        InputError: if the list cannot be read, does not name every row once, or lacks an item.
    """
    try:
        names = ids.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(f"list of item ids {ids} does not exist; set {setting}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"list of item ids {ids} cannot be read as text: {error}") from None
    if len(names) != n_rows:
        raise InputError(f"{ids} names {len(names)} items but {file} has {n_rows} rows; give one id for each row")
    places = {name: row for row, name in enumerate(names)}
    if len(places) < len(names):
        name, count = Counter(names).most_common(1)[0]
        raise InputError(f"{ids} names the item {name!r} {count} times; give each row another id")
    missing = [item for item in item_ids if item not in places]
    if missing:
        raise InputError(
            f"{ids} lacks {len(missing)} of the data set's {len(item_ids)} items, e.g. {missing[0]!r}; its first id is "
            f"{names[0]!r}: check that both count from the same number"
        )
    return np.array([places[item] for item in item_ids], dtype=np.int64)
