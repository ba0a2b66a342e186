"""Embedding purity: against loops and the bounds that theory gives."""

import numpy as np
import pytest

from tests.reference import prefixes
from tigerlite.evaluation.embedding_purity import embedding_purity, unexplained_variance

GENERATOR = np.random.default_rng(0)
CODES = np.stack([GENERATOR.integers(0, size, 200) for size in (5, 4, 6)], axis=1)
EMBEDDINGS = GENERATOR.normal(size=(200, 3)) + CODES[:, :1]


def test_embedding_purity_equals_distances_to_centroids_one_group_at_a_time():
    for length, level in enumerate(embedding_purity(CODES, EMBEDDINGS), start=1):
        assert level.purity == pytest.approx(prefixes.embedding_purity(CODES, EMBEDDINGS, length))


def test_embedding_gains_are_never_negative_and_sum_to_the_purity():
    levels = embedding_purity(CODES, EMBEDDINGS)
    assert all(level.gain >= 0 for level in levels)
    assert sum(level.gain for level in levels) == pytest.approx(levels[-1].purity)


def test_unique_paths_explain_everything_and_scale_does_not_matter():
    codes = np.array([[a, b] for a in range(4) for b in range(4)])
    embeddings = np.random.default_rng(1).normal(size=(16, 5))
    assert embedding_purity(codes, embeddings)[-1].purity == pytest.approx(1)
    assert [level.gain for level in embedding_purity(codes, 100 * embeddings)] == pytest.approx(
        [level.gain for level in embedding_purity(codes, embeddings)]
    )


def test_identical_embeddings_have_no_purity_to_gain():
    assert [level.gain for level in embedding_purity(CODES, np.ones((200, 2)))] == [0, 0, 0]


def test_additive_codes_leave_nothing_of_a_sum_of_two_tables():
    codes = np.array([[a, b] for a in range(5) for b in range(4)])
    tables = np.random.default_rng(2).normal(size=(5, 3)), np.random.default_rng(3).normal(size=(4, 3))
    left = unexplained_variance(codes, tables[0][codes[:, 0]] + tables[1][codes[:, 1]])
    assert left[0] > 0.1
    assert left[1] == pytest.approx(0, abs=1e-12)


def test_codes_that_say_nothing_explain_nothing():
    assert unexplained_variance(np.zeros((200, 2), dtype=int), EMBEDDINGS) == pytest.approx([1, 1])
