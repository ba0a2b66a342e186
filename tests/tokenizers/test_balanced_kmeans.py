"""Clusters of bounded size: the assignment is the cheapest allowed one, and sizes that do not fit are refused."""

import numpy as np
import pytest

from tests.reference.letter_terms import cheapest_bounded_labels
from tigerlite.config import InputError
from tigerlite.tokenizers.balanced_kmeans import _assign, balanced_clusters


@pytest.mark.parametrize("seed", range(6))
def test_an_assignment_costs_as_little_as_the_best_of_all(seed):
    generator = np.random.default_rng(seed)
    points, centres = generator.normal(size=(7, 2)), generator.normal(4.0, size=(3, 2))
    costs = ((points[:, None] - centres) ** 2).sum(axis=2)
    labels = _assign(points, centres, 2, 3)
    assert costs[np.arange(7), labels].sum() == pytest.approx(cheapest_bounded_labels(costs.tolist(), 2, 3))


@pytest.mark.parametrize(("smallest", "largest"), [(10, 60), (25, 26), (2, 60)])
def test_sizes_stay_within_bounds_however_the_points_lie(smallest, largest):
    generator = np.random.default_rng(0)
    crowded = np.concatenate([generator.normal(size=(200, 8)) * 0.01, generator.normal(size=(56, 8)) * 5])
    for points in (crowded, np.zeros((256, 8))):
        sizes = np.bincount(balanced_clusters(points, 10, smallest=smallest, largest=largest, seed=1), minlength=10)
        assert smallest <= sizes.min()
        assert sizes.max() <= largest


def test_separated_groups_are_found_and_a_seed_decides():
    centres = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    points = centres[np.arange(30) % 3] + np.random.default_rng(0).normal(size=(30, 2))
    first, again = (balanced_clusters(points, 3, smallest=10, largest=10, seed=[3, 1]) for _ in range(2))
    assert all(len(set(first[group::3])) == 1 for group in range(3))
    assert np.array_equal(first, again)


def test_sizes_that_do_not_fit_and_broken_points_are_refused():
    points = np.zeros((64, 4))
    with pytest.raises(
        InputError, match=r"64 codes .* 10 clusters of 10 to 60, which hold 100 to 600; set tokenize.letter"
    ):
        balanced_clusters(points, 10, smallest=10, largest=60, seed=0)
    with pytest.raises(InputError, match=r"64 codes .* 2 clusters of 2 to 20, which hold 4 to 40"):
        balanced_clusters(points, 2, smallest=2, largest=20, seed=0)
    with pytest.raises(InputError, match="NaN or infinity: training diverged; set a lower tokenize.rqvae.lr"):
        balanced_clusters(points * np.nan, 2, smallest=2, largest=60, seed=0)
