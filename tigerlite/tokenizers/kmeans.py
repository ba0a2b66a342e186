"""k-means (faiss): the starting point of a codebook.

k-means++ seeding and one restart, as in MTGRec (arXiv 2504.04400); the seeding is ours, faiss has it only of late.
faiss fills an empty cluster by splitting a large one. Same seed, data and number of threads: same centroids.
"""

import logging

import numpy as np

from tigerlite.config import InputError


def kmeans(
    points: np.ndarray, n_clusters: int, *, seed: int, n_iterations: int = 50, setting: str = "n_clusters"
) -> np.ndarray:
    """Centroids (K, D) float32 of points (N, D).

    Args:
        points: what to cluster; all of them are used.
        n_clusters: K.
        seed: of the k-means++ draw.
        n_iterations: Lloyd iterations.
        setting: what the user would change if there are too few points; named in the message.

    Raises:
        InputError: if there are fewer points than clusters.
    """
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it reports which build it loads
    import faiss

    points = np.ascontiguousarray(points, dtype=np.float32)
    n_points, width = points.shape
    if n_points < n_clusters:
        raise InputError(
            f"{n_points} items cannot fill {n_clusters} codes; set {setting} to at most {n_points} codes per level"
        )
    parameters = faiss.ClusteringParameters()
    parameters.niter = n_iterations
    parameters.nredo = 1
    parameters.seed = seed % 2**31
    # faiss would otherwise draw a subsample and print advice on small sets.
    parameters.min_points_per_centroid = 1
    parameters.max_points_per_centroid = n_points
    clustering = faiss.Clustering(width, n_clusters, parameters)
    faiss.copy_array_to_vector(_plus_plus(points, n_clusters, seed).ravel(), clustering.centroids)
    clustering.train(points, faiss.IndexFlatL2(width))
    return faiss.vector_to_array(clustering.centroids).reshape(n_clusters, width).copy()


def _plus_plus(points: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Starting centroids (K, D): each drawn with probability proportional to the squared distance to those before."""
    generator = np.random.default_rng(seed)
    chosen = np.empty(n_clusters, dtype=np.int64)
    distances = np.ones(len(points))
    for cluster in range(n_clusters):
        cumulative = np.cumsum(distances)
        if cumulative[-1] <= 0:  # fewer distinct points than clusters: any point will do, faiss splits later
            cumulative = np.arange(1.0, len(points) + 1)
        drawn = np.searchsorted(cumulative, generator.random() * cumulative[-1], side="right")
        chosen[cluster] = min(drawn, len(points) - 1)
        difference = points - points[chosen[cluster]]
        distances = np.minimum(distances if cluster else np.inf, np.einsum("nd,nd->n", difference, difference))
    return points[chosen]
