"""Neighbour overlap: against loops, planted clusters, and chance."""

import numpy as np
import pytest

from tests.reference import prefixes
from tigerlite.evaluation.neighbourhood import nearest_neighbours, neighbourhood_overlap


def test_overlap_equals_sorting_all_cosines_of_one_item_at_a_time():
    generator = np.random.default_rng(0)
    codes, embeddings = generator.integers(0, 3, (40, 2)), generator.normal(size=(40, 4))
    for length, level in enumerate(neighbourhood_overlap(codes, embeddings, k=5), start=1):
        assert level.overlap == pytest.approx(prefixes.neighbour_overlap(codes, embeddings, length, 5))


def test_codes_that_are_the_clusters_keep_all_neighbours():
    clusters = np.repeat(np.arange(4), 15)
    embeddings = np.eye(4)[clusters] + 0.01 * np.random.default_rng(0).normal(size=(60, 4))
    (level,) = neighbourhood_overlap(clusters[:, None], embeddings)
    assert level.overlap == 1
    assert level.chance == pytest.approx(14 / 59)


def test_random_codes_overlap_as_chance_says():
    generator = np.random.default_rng(0)
    (level,) = neighbourhood_overlap(generator.integers(0, 4, (1500, 1)), generator.normal(size=(1500, 8)))
    assert level.overlap == pytest.approx(level.chance, abs=0.01)


def test_anchors_are_a_seeded_part_of_a_large_catalogue():
    generator = np.random.default_rng(0)
    codes, embeddings = generator.integers(0, 4, (500, 1)), generator.normal(size=(500, 8))
    (first,), (again,), (other,) = (
        neighbourhood_overlap(codes, embeddings, n_anchors=50, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again
    assert first.overlap != other.overlap
    assert first.overlap == pytest.approx(neighbourhood_overlap(codes, embeddings)[0].overlap, abs=0.1)


def test_an_item_is_not_its_own_neighbour_and_length_does_not_count():
    embeddings = np.array([[1.0, 0.0], [50.0, 1.0], [0.0, 2.0], [0.1, 3.0]])
    assert nearest_neighbours(embeddings, np.arange(4), k=1).tolist() == [[1], [0], [3], [2]]


def test_a_catalogue_smaller_than_the_neighbourhood_uses_all_others():
    (level,) = neighbourhood_overlap(np.array([[0], [0], [1]]), np.eye(3), k=10)
    assert level.overlap == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
