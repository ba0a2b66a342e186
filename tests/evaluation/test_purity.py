"""Purities: against loops, the bounds that theory gives, and hand-worked numbers."""

import math

import numpy as np
import pytest

from tests.reference import prefixes
from tigerlite.evaluation.purity import frequency_purity_gain, purity_gain, unexplained_variance

GENERATOR = np.random.default_rng(0)
CODES = np.stack([GENERATOR.integers(0, size, 200) for size in (5, 4, 6)], axis=1)
EMBEDDINGS = GENERATOR.normal(size=(200, 3)) + CODES[:, :1]
COUNTS = GENERATOR.geometric(0.2, 200) - 1


def test_embedding_purity_equals_distances_to_centroids_one_group_at_a_time():
    for length, level in enumerate(purity_gain(CODES, EMBEDDINGS), start=1):
        assert level.purity == pytest.approx(prefixes.embedding_purity(CODES, EMBEDDINGS, length))


def test_embedding_gains_are_never_negative_and_sum_to_the_purity():
    levels = purity_gain(CODES, EMBEDDINGS)
    assert all(level.gain >= 0 for level in levels)
    assert sum(level.gain for level in levels) == pytest.approx(levels[-1].purity)


def test_unique_paths_explain_everything_and_scale_does_not_matter():
    codes = np.array([[a, b] for a in range(4) for b in range(4)])
    embeddings = np.random.default_rng(1).normal(size=(16, 5))
    assert purity_gain(codes, embeddings)[-1].purity == pytest.approx(1)
    assert [level.gain for level in purity_gain(codes, 100 * embeddings)] == pytest.approx(
        [level.gain for level in purity_gain(codes, embeddings)]
    )


def test_identical_embeddings_have_no_purity_to_gain():
    assert [level.gain for level in purity_gain(CODES, np.ones((200, 2)))] == [0, 0, 0]


def test_frequency_purity_equals_entropies_one_group_at_a_time():
    before = np.array(prefixes.frequency_purity(CODES, COUNTS, 0))
    for length, level in enumerate(frequency_purity_gain(CODES, COUNTS), start=1):
        after = np.array(prefixes.frequency_purity(CODES, COUNTS, length))
        assert level.purity == pytest.approx(after.mean())
        for code in range(CODES[:, length - 1].max() + 1):
            has = CODES[:, length - 1] == code
            assert level.per_code[code] == pytest.approx((after - before)[has].mean())
        before = after


def test_hand_worked_frequency_purity():
    # Three items with 2, 1 and 1 interactions; the code tells the first from the others.
    (level,) = frequency_purity_gain(np.array([[0], [2], [2]]), np.array([2, 1, 1]))
    before = 1 - (0.5 * math.log(2) + 2 * 0.25 * math.log(4)) / math.log(3)
    assert level.purity == pytest.approx((1 + 0 + 0) / 3)  # alone: 1; two alike: 0
    assert level.per_code[[0, 2]] == pytest.approx([1 - before, 0 - before])
    assert np.isnan(level.per_code[1])


def test_additive_codes_leave_nothing_of_a_sum_of_two_tables():
    codes = np.array([[a, b] for a in range(5) for b in range(4)])
    tables = np.random.default_rng(2).normal(size=(5, 3)), np.random.default_rng(3).normal(size=(4, 3))
    left = unexplained_variance(codes, tables[0][codes[:, 0]] + tables[1][codes[:, 1]])
    assert left[0] > 0.1
    assert left[1] == pytest.approx(0, abs=1e-12)


def test_codes_that_say_nothing_explain_nothing():
    assert unexplained_variance(np.zeros((200, 2), dtype=int), EMBEDDINGS) == pytest.approx([1, 1])
