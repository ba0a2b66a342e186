"""Embeddings for a catalogue without text: which attributes an item has, tf-idf weighted, reduced by a truncated SVD.

Latent semantic analysis of the item-attribute table. An attribute is any string (genre, brand, category); it counts
once per item. Weights are those of scikit-learn's `TfidfTransformer`: idf = ln((1 + N) / (1 + n_items_with_it)) + 1,
rows of unit length. The reduction keeps U S of the k largest singular values, without centring, like `TruncatedSVD`.

The result is deterministic: the iteration starts from a fixed vector and the largest entry of every right singular
vector is made positive (ties by the alphabetically first attribute).
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tigerlite.config import InputError, check

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AttributesConfig:
    """How attributes become embeddings."""

    dimensions: int = 64
    """Columns of the result at most; fewer where the table has a smaller rank. The default is ours."""
    min_count: int = 1
    """Attributes that fewer items have are dropped. 1 keeps all: rare ones cost nothing after the SVD."""

    def __post_init__(self) -> None:
        check(self.dimensions >= 1, "dimensions", self.dimensions, "an integer >= 1")
        check(self.min_count >= 1, "min_count", self.min_count, "an integer >= 1")


def encode_attributes(attributes: Sequence[Sequence[str]], config: AttributesConfig) -> np.ndarray:
    """Embeddings (N, D) float32 of N items by their attributes; an item without any gets zeros.

    Raises:
        InputError: if no attribute is carried by `min_count` items.

    >>> encode_attributes([["a"], ["b"], ["a"]], AttributesConfig(dimensions=2)).round(2).tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """
    counts = Counter(attribute for item in attributes for attribute in set(item))
    vocabulary = sorted(attribute for attribute, count in counts.items() if count >= config.min_count)
    if not vocabulary:
        raise InputError(
            f"none of the {len(counts)} attributes of {len(attributes)} items is carried by attributes.min_count="
            f"{config.min_count} items; lower it, or give the catalogue attributes"
        )
    table = _tf_idf(attributes, vocabulary, counts)
    embeddings = _truncated_svd(table, config.dimensions)
    empty = int((np.diff(table.indptr) == 0).sum())
    log.info(
        "attributes: %d items, %d of %d attributes kept, %d dimensions, %d items without any",
        *(len(attributes), len(vocabulary), len(counts), embeddings.shape[1], empty),
    )
    return embeddings


def _tf_idf(attributes: Sequence[Sequence[str]], vocabulary: list[str], counts: Counter[str]) -> "csr_matrix":
    """The weighted table (N, len(vocabulary)) with rows of unit length."""
    from scipy.sparse import csr_matrix

    column_of = {attribute: column for column, attribute in enumerate(vocabulary)}
    # sorted, because the order of a set of strings differs between processes and sums depend on it
    columns = [sorted(column_of[attribute] for attribute in set(item) if attribute in column_of) for item in attributes]
    ends = np.cumsum([0] + [len(row) for row in columns])
    indices = np.array([column for row in columns for column in row], dtype=np.int64)
    frequencies = np.array([counts[attribute] for attribute in vocabulary], dtype=np.float64)
    idf = np.log((1 + len(attributes)) / (1 + frequencies)) + 1
    table = csr_matrix((idf[indices], indices, ends), shape=(len(attributes), len(vocabulary)))
    lengths = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    table.data /= np.repeat(lengths, np.diff(table.indptr))
    return table


def _truncated_svd(table: "csr_matrix", dimensions: int) -> np.ndarray:
    """U S (N, D) of the largest singular values, D <= dimensions."""
    from scipy.sparse.linalg import svds

    if dimensions >= min(table.shape):
        # ARPACK cannot return all of them; the table is narrow here, so the exact decomposition is cheap
        left, values, right = np.linalg.svd(table.toarray(), full_matrices=False)
    else:
        # random, not constant: a constant start may be orthogonal to a singular vector of a symmetric table
        start = np.random.default_rng(0).standard_normal(min(table.shape))
        left, values, right = svds(table, k=dimensions, v0=start, solver="arpack")
        order = np.argsort(-values, kind="stable")
        left, values, right = left[:, order], values[order], right[order]
    # directions beyond the rank are rounding noise, which whitening would blow up to unit variance
    rank = max(1, int((values > values[0] * max(table.shape) * np.finfo(np.float64).eps).sum()))
    left, values, right = left[:, :rank], values[:rank], right[:rank]
    # rounding before the argmax makes entries of equal size tie, so that the first one decides on every machine
    largest = np.abs(right).round(9).argmax(axis=1)
    signs = np.where(right[np.arange(rank), largest] < 0, -1.0, 1.0)
    # + 0.0 turns -0.0 into 0.0
    return (left * values * signs).astype(np.float32) + np.float32(0)
