"""Coverage, Gini index and novelty against hand-worked numbers and definitions."""

import math

import numpy as np
import pytest

from tigerlite.evaluation.beyond_accuracy import beyond_accuracy, gini, novelty

COUNTS = np.array([0, 4, 2, 1, 1, 0])


def test_coverage_counts_items_shown_to_someone_within_the_cutoff():
    lists = np.array([[1, 2, 0], [1, 3, 4]])
    found = beyond_accuracy(lists, COUNTS, cutoffs=(1, 2, 3))
    assert [found[f"coverage@{k}"] for k in (1, 2, 3)] == [1 / 5, 3 / 5, 4 / 5]


def test_gini_equals_the_mean_absolute_difference():
    amounts = np.random.default_rng(0).poisson(3, 40)
    mean_difference = np.abs(amounts[:, None] - amounts[None, :]).mean()
    assert gini(amounts) == pytest.approx(mean_difference / (2 * amounts.mean()))
    assert gini(np.array([0, 0, 0, 5])) == pytest.approx(1 - 1 / 4)
    assert gini(np.zeros(3)) == 0


def test_gini_counts_items_that_are_never_shown():
    assert beyond_accuracy(np.array([[1], [2]]), COUNTS, cutoffs=(1,))["gini@1"] == pytest.approx(1 - 2 / 5)


def test_novelty_is_the_mean_self_information_and_an_unseen_item_counts_as_seen_once():
    assert novelty(np.array([1, 2]), COUNTS) == pytest.approx((-math.log2(4 / 8) - math.log2(2 / 8)) / 2)
    assert novelty(np.array([5]), COUNTS) == novelty(np.array([3]), COUNTS) == 3
    found = beyond_accuracy(np.array([[1, 2], [1, 0]]), COUNTS, cutoffs=(2,))
    assert found["novelty@2"] == pytest.approx((1 + 2 + 1) / 3)  # the empty place counts nowhere


def test_lists_without_items_have_no_novelty():
    found = beyond_accuracy(np.zeros((2, 1), dtype=int), COUNTS, cutoffs=(1,))
    assert math.isnan(found["novelty@1"])
    assert (found["coverage@1"], found["gini@1"]) == (0, 0)
