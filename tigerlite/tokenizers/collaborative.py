"""Collaborative item embeddings that a tokenizer aligns codes with, in the item order of the prepared data.

They come from a teacher that was trained on the same data, or from a matrix made elsewhere. A bare matrix does not say
which row is which item, and rows shifted by one train without an error; so a list of ids, or the statement that rows are in
the prepared order, has to come with it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tigerlite.config import InputError
from tigerlite.row_ids import rows_of_items

ORDERS = ("ids", "prepared")


@dataclass(frozen=True, eq=False)
class Collaborative:
    """Frozen embeddings (N, C) float32 of all items, row i for item id i + 1.

    Raises:
        InputError: if it is not a matrix of finite numbers.
    """

    matrix: np.ndarray

    def __post_init__(self) -> None:
        if self.matrix.ndim != 2 or self.matrix.dtype.kind not in "fiu" or 0 in self.matrix.shape:
            raise InputError(
                f"collaborative embeddings are {self.matrix.dtype} of shape {self.matrix.shape}; allowed: a matrix of "
                f"real numbers (items, dimensions)"
            )
        bad = np.flatnonzero(~np.isfinite(self.matrix).all(axis=1))
        if len(bad):
            raise InputError(
                f"collaborative embeddings hold NaN or infinity in {len(bad)} of {len(self.matrix)} rows, first in row "
                f"{bad[0]}; allowed: finite numbers; train the recommender that they come from again"
            )
        object.__setattr__(self, "matrix", np.ascontiguousarray(self.matrix, dtype=np.float32))

    @property
    def n_items(self) -> int:
        """N."""
        return self.matrix.shape[0]

    @property
    def dimensions(self) -> int:
        """C."""
        return self.matrix.shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits over the shape and every number."""
        digest = hashlib.sha256(repr(self.matrix.shape).encode())
        digest.update(self.matrix.tobytes())
        return digest.hexdigest()[:16]


def read_collaborative(
    file: Path, item_ids: Sequence[str], *, order: str, ids: Path | None = None, section: str = "tokenize.letter"
) -> Collaborative:
    """The matrix in an .npy file, its rows brought into the order of `item_ids`.

    Args:
        file: (rows, C).
        item_ids: external ids of the prepared data in their order.
        order: ids (`ids` names each row; other items' rows are left out) or prepared (row i is item id i + 1).
        ids: text file of external item ids, one a line, in the order of the rows; with order=ids.
        section: of the config, for messages.

    Raises:
        InputError: if a file is missing or broken, or the rows are not those of these items.
    """
    matrix = _read(file, section)
    if order == "prepared":
        if len(matrix) != len(item_ids):
            hint = "leave out the row of padding, " if len(matrix) == len(item_ids) + 1 else ""
            raise InputError(
                f"{file} has {len(matrix)} rows but the data set {len(item_ids)} items; {hint}"
                f"or name the rows with {section}.order=ids"
            )
        return Collaborative(matrix)
    if ids is None:
        raise InputError(
            f"{file} does not say which row is which item; set {section}.ids to a text file with one item id a "
            f"line, or {section}.order=prepared if row i is item id i + 1 of the prepared data"
        )
    return Collaborative(matrix[rows_of_items(ids, file, len(matrix), item_ids, f"{section}.ids")])


def _read(file: Path, section: str) -> np.ndarray:
    try:
        # not np.load, which also opens archives and leaves a broken one open
        with open(file, "rb") as stream:
            matrix = np.lib.format.read_array(stream, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(
            f"collaborative embeddings {file} do not exist; set {section}.file to an .npy file or a teacher's "
            f"item_embeddings.safetensors, or train a teacher with teacher.enabled=true"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"collaborative embeddings {file} are no .npy array of numbers ({str(error).splitlines()[0]}); write them "
            f"with numpy.save"
        ) from None
    if matrix.ndim != 2:
        raise InputError(f"collaborative embeddings {file} have shape {matrix.shape}; allowed: (items, dimensions)")
    return matrix
