"""k-means: finds separated groups, is deterministic, copes with duplicates, refuses too few points."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from tigerlite.config import InputError
from tigerlite.tokenizers.kmeans import kmeans


def inertia(points, centroids):
    return np.square(points[:, None] - centroids[None]).sum(axis=2).min(axis=1).sum()


def test_separated_groups_get_their_means():
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(8, 4)) * 100
    points = np.repeat(centres, 20, axis=0) + generator.normal(size=(160, 4))
    expected = points.reshape(8, 20, 4).mean(axis=1)
    found = kmeans(points, 8, seed=0)
    nearest = np.square(found[:, None] - expected[None]).sum(axis=2).argmin(axis=1)
    assert sorted(nearest) == list(range(8))
    np.testing.assert_allclose(found, expected[nearest], atol=1e-3)


def test_inertia_is_close_to_scikit_learn():
    points = np.random.default_rng(1).normal(size=(600, 8)).astype(np.float32)
    expected = KMeans(32, n_init=1, random_state=0).fit(points).inertia_
    assert inertia(points, kmeans(points, 32, seed=0)) < 1.05 * expected


def test_the_seed_decides():
    points = np.random.default_rng(2).normal(size=(300, 8))
    first = kmeans(points, 16, seed=3)
    np.testing.assert_array_equal(first, kmeans(points, 16, seed=3))
    assert np.abs(first - kmeans(points, 16, seed=4)).max() > 0.1


def test_fewer_distinct_points_than_clusters_still_give_finite_centroids():
    points = np.repeat(np.eye(3), 10, axis=0)
    centroids = kmeans(points, 8, seed=0)
    assert np.isfinite(centroids).all()
    np.testing.assert_allclose(inertia(points, centroids), 0, atol=1e-3)


def test_fewer_points_than_clusters_are_refused():
    message = "5 items cannot fill 8 codes; set tokenize.x to at most 5 codes per level"
    with pytest.raises(InputError, match=message):
        kmeans(np.zeros((5, 2)), 8, seed=0, setting="tokenize.x")
