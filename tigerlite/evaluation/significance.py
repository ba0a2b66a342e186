"""Is one method better than another? Paired tests over users, a rank test over seeds, and what either could have found.

Over users: per-user values (averaged over seeds) are paired with the baseline's. The bootstrap asks for a mean
difference, Wilcoxon's signed-rank test for a shift among the users whose values differ. Several rows against one
baseline are corrected after Holm. Users say nothing about the luck of a training run; the Mann-Whitney test over seeds
does, but with few seeds no difference however large makes it small: see `smallest_reachable_p`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DIGITS = 12
"""Decimals kept of a difference: a mean over seeds differs in its last bits by the order of summation, and ties count."""
CHUNK = 500
"""Resamples drawn at once, which bounds memory."""


@dataclass(frozen=True)
class PairedComparison:
    """What the paired tests over users say about mean(values) - mean(baseline)."""

    difference: float
    low: float
    """2.5 % point of the bootstrapped difference."""
    high: float
    """97.5 % point."""
    p_bootstrap: float
    """Two-sided, of a mean difference of 0."""
    p_wilcoxon: float
    """Two-sided, of differences symmetric around 0; users without a difference do not count."""
    detectable: float
    """Smallest true difference that a test over as many users with this spread finds 8 times in 10."""
    n_users: int


def compare_users(
    values: np.ndarray, baseline: np.ndarray, *, n_resamples: int = 10_000, seed: int = 0
) -> PairedComparison:
    """Paired bootstrap and Wilcoxon test of per-user values against a baseline's on the same users.

    Args:
        values: (U,) one number per user, averaged over seeds.
        baseline: (U,) the same users in the same order.
        n_resamples: bootstrap draws of U users with replacement.
        seed: of the draws.

    Raises:
        ValueError: if the arrays differ in shape or hold fewer than two users.

    >>> found = compare_users(np.array([1.0, 0.5, 0.5, 0.0]), np.array([0.5, 0.5, 0.0, 0.0]))
    >>> found.difference, found.n_users
    (0.25, 4)
    """
    if values.shape != baseline.shape or values.ndim != 1 or len(values) < 2:
        raise ValueError(f"values {values.shape} and baseline {baseline.shape} must be two (U,) arrays with U >= 2")
    differences = np.round(values - baseline, DIGITS)
    means = bootstrap_means(differences, n_resamples=n_resamples, seed=seed)
    difference = float(differences.mean())
    # Centred on 0, the resampled means are what chance alone would give.
    as_extreme = np.abs(means - difference) >= abs(difference) - 1e-15
    low, high = np.quantile(means, [0.025, 0.975])
    return PairedComparison(
        difference=difference,
        low=float(low),
        high=float(high),
        p_bootstrap=float((1 + as_extreme.sum()) / (1 + n_resamples)),
        p_wilcoxon=wilcoxon(differences),
        detectable=minimum_detectable_effect(differences),
        n_users=len(differences),
    )


def bootstrap_means(values: np.ndarray, *, n_resamples: int, seed: int) -> np.ndarray:
    """Means (n_resamples,) of U values drawn with replacement.

    Per-user metrics take few distinct values, so the draws are counts of distinct values: the same distribution as
    drawing users, at a cost that does not grow with the users.
    """
    generator = np.random.default_rng(seed)
    distinct, counts = np.unique(values, return_counts=True)
    shares = counts / len(values)
    means = [
        generator.multinomial(len(values), shares, size=min(CHUNK, n_resamples - start)) @ distinct / len(values)
        for start in range(0, n_resamples, CHUNK)
    ]
    return np.concatenate(means)


def wilcoxon(differences: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test on paired differences; 1 where all of them are 0."""
    from scipy import stats

    differences = differences[differences != 0]
    return float(stats.wilcoxon(differences).pvalue) if len(differences) else 1.0


def minimum_detectable_effect(differences: np.ndarray, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest true mean difference that a two-sided paired test at level `alpha` finds with probability `power`.

    >>> round(minimum_detectable_effect(np.array([-1.0, 1.0] * 50)), 4)  # (1.95996 + 0.84162) * 1.00504 / 10
    0.2816
    """
    from scipy import stats

    quantiles = stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)
    return float(quantiles * differences.std(ddof=1) / math.sqrt(len(differences)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for being several (Holm 1979), in the given order: any one below 0.05 by chance is 1 in 20.

    >>> holm([0.01, 0.04, 0.03])  # 3 * .01, then 2 * .03, then at least that
    [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = largest
    return corrected


def mann_whitney(values: Sequence[float], baseline: Sequence[float]) -> float:
    """Two-sided p of the Mann-Whitney U test on one number per seed; exact for few seeds without ties."""
    from scipy import stats

    if len({*values, *baseline}) == 1:
        return 1.0  # scipy divides by a spread of 0
    return float(stats.mannwhitneyu(values, baseline, alternative="two-sided").pvalue)


def smallest_reachable_p(n_values: int, n_baseline: int) -> float:
    """The p of the Mann-Whitney test when every seed of one side beats every seed of the other.

    >>> smallest_reachable_p(3, 3), round(smallest_reachable_p(5, 5), 4)
    (0.1, 0.0079)
    """
    return min(1.0, 2 / math.comb(n_values + n_baseline, n_values))
