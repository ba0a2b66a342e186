"""One embedding per item, checked: what the encoders hand to the tokenizers.

A matrix with NaN, infinity or a missing row is refused here, where the cause can still be named; a k-means or an RQ-VAE
fitted on it would finish and produce identifiers that mean nothing.
"""

import hashlib
import json
from dataclasses import InitVar, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tigerlite.config import InputError

MATRIX_FILE = "embeddings.npy"
DESCRIPTION_FILE = "embeddings.json"


@dataclass(frozen=True, eq=False)
class ItemEmbeddings:
    """Embeddings of all items, row i is item id i + 1 (id 0 is padding and has no row).

    Args:
        matrix: (N, D), any real dtype; kept as contiguous float32.
        expected_items: N of the data set, or None where there is nothing to compare with.

    Raises:
        InputError: if the matrix is not a table of finite numbers with `expected_items` rows.

    >>> ItemEmbeddings(np.eye(3)).matrix.dtype
    dtype('float32')
    """

    matrix: np.ndarray
    expected_items: InitVar[int | None] = None

    def __post_init__(self, expected_items: int | None) -> None:
        object.__setattr__(self, "matrix", _checked(self.matrix, expected_items))

    @property
    def n_items(self) -> int:
        """N."""
        return self.matrix.shape[0]

    @property
    def dimensions(self) -> int:
        """D."""
        return self.matrix.shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits over the shape and every number."""
        digest = hashlib.sha256(repr(self.matrix.shape).encode())
        digest.update(self.matrix.tobytes())
        return digest.hexdigest()[:16]

    def save(self, folder: Path) -> None:
        """Write the matrix and its description into an existing folder."""
        np.save(folder / MATRIX_FILE, self.matrix, allow_pickle=False)
        description = {"items": self.n_items, "dimensions": self.dimensions, "fingerprint": self.fingerprint}
        (folder / DESCRIPTION_FILE).write_text(json.dumps(description, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path, expected_items: int | None = None) -> "ItemEmbeddings":
        """The embeddings that `save` wrote into `folder`.

        Raises:
            InputError: if there are none, or they are not `expected_items` finite rows.
        """
        return cls(read_matrix(folder / MATRIX_FILE), expected_items)


def read_matrix(path: Path) -> np.ndarray:
    """The array in an .npy file.

    Raises:
        InputError: if the file is missing or is not an .npy array of numbers.
    """
    try:
        # not np.load, which also opens archives and leaves a broken one open
        with open(path, "rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(
            f"embedding file {path} does not exist; give an .npy file of shape (items, dimensions)"
        ) from None
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"embedding file {path} is not an .npy array of numbers: {reason}; write it with numpy.save"
        ) from None


def _checked(matrix: np.ndarray, expected_items: int | None) -> np.ndarray:
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or 0 in matrix.shape:
        given = f"{matrix.dtype} of shape {matrix.shape}" if isinstance(matrix, np.ndarray) else type(matrix).__name__
        raise InputError(
            f"embeddings are {given}; allowed: a matrix of real numbers (items, dimensions), none of them 0"
        )
    if expected_items is not None and len(matrix) != expected_items:
        raise InputError(
            f"embeddings have {len(matrix)} rows but the data set has {expected_items} items; "
            "give one row per item, row i for item id i + 1, or prepare the data set that they belong to"
        )
    # float64 beyond the range of float32 becomes infinity, which the next check reports
    with np.errstate(over="ignore"):
        matrix = np.ascontiguousarray(matrix, dtype=np.float32)
    bad_rows = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(bad_rows):
        raise InputError(
            f"embeddings hold NaN or infinity in {len(bad_rows)} of {len(matrix)} rows, first in row {bad_rows[0]} "
            f"(item id {bad_rows[0] + 1}); allowed: finite float32 numbers; encode those items again"
        )
    return matrix
