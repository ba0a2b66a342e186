"""Do similar items share codes? The nearest neighbours of items by embedding, and how many of them have the same prefix."""

from dataclasses import dataclass

import numpy as np

from tigerlite.evaluation.prefix_groups import prefix_groups

N_NEIGHBOURS = 10
"""Neighbours looked at."""
N_ANCHORS = 2_000
"""Most items whose neighbours are looked up: the standard error of the mean is then below .012."""
_CHUNK = 256


@dataclass(frozen=True)
class NeighbourOverlap:
    """Neighbours that share a prefix of one length."""

    overlap: float
    """Mean share of an item's nearest neighbours that have its prefix."""
    chance: float
    """The same for neighbours drawn at random: what large groups get for nothing."""


def nearest_neighbours(embeddings: np.ndarray, anchors: np.ndarray, k: int = N_NEIGHBOURS) -> np.ndarray:
    """Rows (A, k) of the items with the largest cosine to each anchor, itself left out, in no particular order.

    Args:
        embeddings: (N, D), N > k.
        anchors: (A,) row numbers.
        k: neighbours.
    """
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit = (embeddings / np.maximum(norms, 1e-12)).astype(np.float32)
    found = []
    for start in range(0, len(anchors), _CHUNK):
        rows = anchors[start : start + _CHUNK]
        cosines = unit[rows] @ unit.T
        cosines[np.arange(len(rows)), rows] = -np.inf
        found.append(np.argpartition(-cosines, k - 1, axis=1)[:, :k])
    return np.concatenate(found)


def neighbourhood_overlap(
    codes: np.ndarray, embeddings: np.ndarray, *, k: int = N_NEIGHBOURS, n_anchors: int = N_ANCHORS, seed: int = 0
) -> list[NeighbourOverlap]:
    """Overlap of embedding neighbours and items of the same prefix, for prefixes of 1, 2, ..., L codes.

    Args:
        codes: (N, L).
        embeddings: (N, D).
        k: neighbours, at most N - 1 are used.
        n_anchors: items whose neighbours are looked up, drawn without replacement where there are more.
        seed: of the draw.
    """
    n_items = len(codes)
    anchors = np.arange(n_items)
    if n_items > n_anchors:
        anchors = np.sort(np.random.default_rng(seed).choice(n_items, n_anchors, replace=False))
    neighbours = nearest_neighbours(embeddings, anchors, min(k, n_items - 1))
    found = []
    for groups in prefix_groups(codes)[1:]:
        same = groups[neighbours] == groups[anchors][:, None]
        others = np.bincount(groups)[groups] - 1
        found.append(NeighbourOverlap(float(same.mean()), float((others / (n_items - 1)).mean())))
    return found
