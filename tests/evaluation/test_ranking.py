"""Metrics against hand-worked numbers and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import ndcg_score

from tigerlite.evaluation.ranking import ndcg, per_user_metrics, ranks_in_list, recall, reciprocal_rank, summarise

RANKS = np.array([1, 5, 6, 10, 11, 0])


def test_ndcg_equals_the_hand_worked_numbers():
    expected = [1, 1 / math.log2(6), 1 / math.log2(7), 1 / math.log2(11), 0, 0]
    np.testing.assert_allclose(ndcg(RANKS, 10), expected)
    np.testing.assert_allclose(np.round(ndcg(RANKS, 10), 4), [1, 0.3869, 0.3562, 0.2891, 0, 0])


def test_recall_and_reciprocal_rank_equal_the_hand_worked_numbers():
    assert recall(RANKS, 5).tolist() == [1, 1, 0, 0, 0, 0]
    assert recall(RANKS, 10).tolist() == [1, 1, 1, 1, 0, 0]
    np.testing.assert_allclose(reciprocal_rank(RANKS, 10), [1, 1 / 5, 1 / 6, 1 / 10, 0, 0])


def test_ndcg_equals_scikit_learn_on_random_rankings():
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores, target = rng.permutation(30).astype(float), rng.integers(30)
        relevant = np.zeros(30)
        relevant[target] = 1
        rank = int((scores > scores[target]).sum()) + 1
        assert ndcg(np.array([rank]), 10)[0] == pytest.approx(ndcg_score(relevant[None], scores[None], k=10))


def test_an_absent_target_has_rank_zero_and_padding_is_never_a_hit():
    items = torch.tensor([[4, 9, 2], [4, 0, 0], [1, 2, 3]])
    assert ranks_in_list(items, torch.tensor([2, 7, 1])).tolist() == [3, 0, 1]


def test_standard_error_is_the_sample_deviation_over_the_root_of_users():
    summary = summarise(np.array([1, 0, 0, 3]), cutoffs=(1, 5))
    assert summary["recall@1"] == 1 / 4
    deviation = math.sqrt(((1 - 0.25) ** 2 + 3 * 0.25**2) / 3)
    assert summary["recall@1_se"] == pytest.approx(deviation / math.sqrt(4))


def test_metrics_cover_the_published_cutoffs():
    assert set(per_user_metrics(RANKS)) == {f"{name}@{k}" for name in ("recall", "ndcg", "mrr") for k in (1, 5, 10, 20)}
