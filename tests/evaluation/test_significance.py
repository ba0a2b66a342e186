"""The tests against scipy, against the slow textbook procedures, and against numbers worked by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from tests.reference.paired_bootstrap import bootstrap_p, holm_by_rejection
from tigerlite.evaluation.ranking import ndcg
from tigerlite.evaluation.significance import (
    compare_users,
    holm,
    mann_whitney,
    minimum_detectable_effect,
    smallest_reachable_p,
)


def users(n_users: int, hit_rate: float, seed: int) -> np.ndarray:
    """NDCG@10 of made-up ranks: most users are missed, as in a real table."""
    rng = np.random.default_rng(seed)
    return ndcg(np.where(rng.random(n_users) < hit_rate, rng.integers(1, 11, n_users), 0), 10)


def test_bootstrap_p_equals_the_slow_textbook_bootstrap():
    values, baseline = users(60, 0.5, seed=1), users(60, 0.2, seed=2)
    found = compare_users(values, baseline).p_bootstrap
    slow = bootstrap_p(values.tolist(), baseline.tolist(), n_resamples=4000, seed=3)
    assert 0.001 < slow < 0.5
    assert found == pytest.approx(slow, abs=3 * math.sqrt(slow / 4000))


def test_interval_equals_scipys_percentile_bootstrap():
    values, baseline = users(400, 0.3, seed=1), users(400, 0.2, seed=2)
    found = compare_users(values, baseline)
    draws = stats.bootstrap((values - baseline,), np.mean, method="percentile", rng=np.random.default_rng(0))
    assert found.low == pytest.approx(draws.confidence_interval.low, abs=0.002)
    assert found.high == pytest.approx(draws.confidence_interval.high, abs=0.002)
    assert found.difference == pytest.approx((values - baseline).mean())


def test_wilcoxon_equals_scipy_and_ignores_rounding_of_seed_means():
    values, baseline = users(400, 0.3, seed=1), users(400, 0.2, seed=2)
    found = compare_users(values, baseline).p_wilcoxon
    assert found == pytest.approx(stats.wilcoxon(values, baseline).pvalue, rel=1e-6)
    noise = np.random.default_rng(0).uniform(-1e-16, 1e-16, 400)
    assert compare_users(values + noise, baseline).p_wilcoxon == found


def test_equal_methods_are_not_told_apart():
    values = users(50, 0.3, seed=1)
    found = compare_users(values, values)
    assert (found.difference, found.p_bootstrap, found.p_wilcoxon, found.detectable) == (0.0, 1.0, 1.0, 0.0)


def test_detectable_effect_is_found_four_times_in_five():
    rng = np.random.default_rng(0)
    effect = minimum_detectable_effect(rng.normal(0, 1, 400))
    p_values = stats.ttest_1samp(rng.normal(effect, 1, (2000, 400)), 0, axis=1).pvalue
    assert (p_values < 0.05).mean() == pytest.approx(0.8, abs=0.05)


def test_two_arrays_of_the_same_users_are_asked_for():
    with pytest.raises(ValueError, match=r"values \(3,\) and baseline \(2,\) must be two \(U,\) arrays"):
        compare_users(np.zeros(3), np.zeros(2))


def test_holm_equals_the_step_down_procedure():
    p_values = [0.012, 0.2, 0.004, 0.03, 0.9]
    assert holm(p_values) == pytest.approx([holm_by_rejection(p_values, i) for i in range(5)], abs=1e-4)
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(("n_seeds", "smallest"), [(3, 0.1), (5, 2 / 252)])
def test_mann_whitney_reaches_its_smallest_p_when_all_seeds_agree(n_seeds, smallest):
    baseline = [0.01 * seed for seed in range(n_seeds)]
    better = [1 + value for value in baseline]
    assert smallest_reachable_p(n_seeds, n_seeds) == pytest.approx(smallest)
    assert mann_whitney(better, baseline) == pytest.approx(smallest)


def test_mann_whitney_with_a_hand_worked_overlap():
    # U = 1 of 9: orders at least as extreme are U in {0, 1, 8, 9}, one each of C(6, 3) = 20.
    assert mann_whitney([3.0, 5.0, 6.0], [1.0, 2.0, 4.0]) == pytest.approx(4 / 20)
    assert mann_whitney([1.0, 1.0], [1.0, 1.0]) == 1.0
