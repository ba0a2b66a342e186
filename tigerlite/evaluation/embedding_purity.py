"""How much of the embeddings each further code explains.

Embedding purity of the first l codes: 1 - mu_l / mu_0, where mu_l is the mean squared distance of the items to the centroid of
their group G_l; its gain is delta_l / mu_0 of arXiv 2601.17787, Section 4.1 (never negative, the law of total variance).
Divided by mu_0, unlike there, so that it does not change with the scale of the embeddings. The paper's purity gain (Figure 1)
is about frequencies: `purity.py`.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tigerlite.evaluation.prefix_groups import prefix_groups


@dataclass(frozen=True)
class EmbeddingPurity:
    """Embedding purity after one level."""

    purity: float
    """Share of the embeddings' variance that the prefix explains: 0 for no codes, 1 where every prefix has one item."""
    gain: float
    """What this level added."""


def embedding_purity(codes: np.ndarray, embeddings: np.ndarray) -> list[EmbeddingPurity]:
    """Embedding purity after every level.

    Args:
        codes: (N, L).
        embeddings: (N, D).

    >>> embeddings = np.array([[0.0], [2.0], [10.0], [12.0]])
    >>> [round(level.purity, 3) for level in embedding_purity(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), embeddings)]
    [0.962, 1.0]
    """
    rows = embeddings - embeddings.mean(axis=0, dtype=np.float64)
    total = float(np.square(rows).sum())
    purities = [0.0]
    for groups in prefix_groups(codes)[1:]:
        sums = _group_sums(rows, groups)
        # Variance between groups: squared norms of the centroids, each as often as its group has items.
        between = float((np.square(sums).sum(axis=1) / np.bincount(groups)).sum())
        purities.append(between / total if total > 0 else 0.0)
    return [EmbeddingPurity(after, after - before) for before, after in pairwise(purities)]


def unexplained_variance(codes: np.ndarray, embeddings: np.ndarray) -> list[float]:
    """Share of the embeddings' variance left after the codes' vectors are subtracted, for every number of levels.

    A code's vector is the mean residual of its items after the levels before it, whatever prefix they have: as many vectors as
    codes, the best that additive identifiers can say. So it compares tokenizers that have no decoder, or different ones.

    Args:
        codes: (N, L).
        embeddings: (N, D).
    """
    residual = embeddings - embeddings.mean(axis=0, dtype=np.float64)
    total = float(np.square(residual).sum())
    left = []
    for level in range(codes.shape[1]):
        used, code = np.unique(codes[:, level], return_inverse=True)
        means = _group_sums(residual, code.ravel()) / np.bincount(code.ravel(), minlength=len(used))[:, None]
        residual = residual - means[code.ravel()]
        left.append(float(np.square(residual).sum()) / total if total > 0 else 0.0)
    return left


def _group_sums(rows: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Sums (G, D) of the rows (N, D) of every group."""
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(groups.max() + 1))
    return np.add.reduceat(rows[order], starts, axis=0)
