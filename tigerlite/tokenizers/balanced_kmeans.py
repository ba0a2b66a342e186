"""k-means whose clusters hold between a smallest and a largest number of points.

LETTER (arXiv 2405.07314) clusters each codebook so. Lloyd's iterations; the assignment step is solved exactly: every
cluster has as many slots as it may hold, of which the first are worth more than any distance until they are filled, and an
optimal matching puts points into slots. The released code takes the package k-means-constrained, which solves the same step
as a flow and keeps the best of ten k-means++ starts; here one start from randomly drawn points has to do.
"""

import numpy as np

from tigerlite.config import InputError


def balanced_clusters(
    points: np.ndarray, n_clusters: int, *, smallest: int, largest: int, seed: int | list[int], n_iterations: int = 10
) -> np.ndarray:
    """Cluster (N,) int64 of each of the points (N, D).

    Args:
        points: what to cluster.
        n_clusters: clusters.
        smallest: points that a cluster holds at least.
        largest: points that a cluster holds at most.
        seed: of the points that clusters start from.
        n_iterations: bound on Lloyd's iterations.

    Raises:
        InputError: if no clustering has such sizes, or a point is not finite.

    >>> points = np.array([[0.0], [0.1], [0.2], [9.0]])
    >>> sorted(np.bincount(balanced_clusters(points, 2, smallest=2, largest=3, seed=0)).tolist())
    [2, 2]
    """
    if not n_clusters * smallest <= len(points) <= n_clusters * largest:
        raise InputError(infeasible(len(points), n_clusters, smallest, largest))
    if not np.isfinite(points).all():
        raise InputError("codebook vectors hold NaN or infinity: training diverged; set a lower tokenize.rqvae.lr")
    points = points.astype(np.float64)
    centres = points[np.random.default_rng(seed).permutation(len(points))[:n_clusters]]
    labels = np.full(len(points), -1)
    for _ in range(n_iterations):
        previous, labels = labels, _assign(points, centres, smallest, largest)
        if np.array_equal(labels, previous):
            break
        counts = np.bincount(labels, minlength=n_clusters)
        sums = np.zeros_like(centres)
        np.add.at(sums, labels, points)
        # With smallest=0 a cluster may be empty; it stays where it is.
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
    return labels


def infeasible(n_points: int, n_clusters: int, smallest: int, largest: int) -> str:
    """What is wrong where `n_points` do not fit."""
    return (
        f"{n_points} codes of a level cannot be put into {n_clusters} clusters of {smallest} to {largest}, which hold "
        f"{n_clusters * smallest} to {n_clusters * largest}; set tokenize.letter.n_clusters, smallest_cluster and "
        f"largest_cluster to fit every level of tokenize.rqvae.codebook_sizes"
    )


def _assign(points: np.ndarray, centres: np.ndarray, smallest: int, largest: int) -> np.ndarray:
    """Clusters (N,) of least total squared distance under the sizes."""
    from scipy.optimize import linear_sum_assignment

    costs = ((points[:, None] - centres) ** 2).sum(axis=2)  # (N, C)
    nearest = costs.argmin(axis=1)
    sizes = np.bincount(nearest, minlength=len(centres))
    if smallest <= sizes.min() and sizes.max() <= largest:
        return nearest  # nothing is nearer, and no matching is needed
    # Filling a slot that must be filled moves each point at most once: no detour costs as much.
    bonus = costs.max() * len(points) + 1.0
    slots = np.repeat(costs, largest, axis=1)  # (N, C) -> (N, C * largest), the slots of a cluster side by side
    slots[:, np.arange(slots.shape[1]) % largest < smallest] -= bonus
    chosen, slot = linear_sum_assignment(slots)
    labels = np.empty(len(points), dtype=np.int64)
    labels[chosen] = slot // largest
    return labels
