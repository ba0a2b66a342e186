"""How figures of identifiers go with what recommenders reach: rank correlations, their intervals and their picture.

Intervals come from resampling with replacement what was chosen apart: the rows of a study, each with all its sets of
identifiers, since those of one tokenizer under several seeds are alike.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tigerlite.config import InputError
from tigerlite.evaluation.canvas import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MIN_SETS = 5
"""Fewest sets of identifiers that a correlation is computed for; the interval of so few is as wide as the scale."""


@dataclass(frozen=True)
class Correlation:
    """How one figure goes with validation NDCG@10."""

    name: str
    rho: float
    """Spearman's rank correlation."""
    low: float
    """2.5 % point of the bootstrap."""
    high: float
    """97.5 % point."""
    n_sets: int
    """Sets of identifiers that have the figure."""

    @property
    def predicts(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


def correlate(table: Sequence[Mapping[str, Any]], *, n_resamples: int = 5_000, seed: int = 0) -> list[Correlation]:
    """Correlations of every figure with the score, the strongest first; constant figures and those of too few sets are left out.

    Args:
        table: what `collect` returned.
        n_resamples: bootstrap draws.
        seed: of the draws.

    Raises:
        InputError: if there are fewer than `MIN_SETS` sets of identifiers.
    """
    if len(table) < MIN_SETS:
        raise InputError(
            f"the study has {len(table)} finished sets of identifiers; a correlation needs at least {MIN_SETS}: make more runs"
        )
    names = sorted({name for entry in table for name in entry["figures"]})
    found = []
    for name in names:
        having = [entry for entry in table if name in entry["figures"]]
        pairs = np.array([(entry["figures"][name], entry["score"]) for entry in having])
        if len(pairs) < MIN_SETS or np.ptp(pairs[:, 0]) == 0 or np.ptp(pairs[:, 1]) == 0:
            continue
        rows = [entry["rows"][0] for entry in having]
        low, high = spearman_interval(pairs[:, 0], pairs[:, 1], rows, n_resamples=n_resamples, seed=seed)
        rho = float(spearman(pairs[None, :, 0], pairs[None, :, 1])[0])
        found.append(Correlation(name, rho, low, high, len(pairs)))
    return sorted(found, key=lambda one: -abs(one.rho))


def spearman(values: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Rank correlation (R,) of every row of two arrays (R, n), ties at their mean rank; NaN where a row is constant.

    >>> spearman(np.array([[1.0, 2.0, 9.0]]), np.array([[0.1, 0.3, 0.2]])).tolist()
    [0.5]
    """
    from scipy import stats

    ranks = [stats.rankdata(array, axis=1) for array in (values, scores)]
    first, second = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    scale = np.sqrt(np.square(first).sum(axis=1) * np.square(second).sum(axis=1))
    return np.where(scale > 0, (first * second).sum(axis=1) / np.where(scale > 0, scale, 1), np.nan)


def spearman_interval(
    values: np.ndarray,
    scores: np.ndarray,
    groups: Sequence[Hashable] | None = None,
    *,
    n_resamples: int = 5_000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % percentile interval of the rank correlation of (n,) pairs; constant resamples are dropped.

    Args:
        groups: of each pair; pairs of a group are alike, so whole groups are resampled. None = every pair is its own.
    """
    numbers = np.arange(len(values)) if groups is None else np.unique(np.array(groups), return_inverse=True)[1]
    members = [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]
    draws = np.random.default_rng(seed).integers(0, len(members), size=(n_resamples, len(members)))
    by_length: dict[int, list[np.ndarray]] = {}
    for draw in draws:
        rows = np.concatenate([members[number] for number in draw])
        by_length.setdefault(len(rows), []).append(rows)
    found = [spearman(values[np.stack(drawn)], scores[np.stack(drawn)]) for drawn in by_length.values()]
    low, high = np.nanquantile(np.concatenate(found), [0.025, 0.975])
    return float(low), float(high)


def plot_correlations(found: Sequence[Correlation]) -> "Figure":
    """Every figure's correlation with its interval, the strongest on top; those whose interval excludes 0 in colour.

    Raises:
        InputError: without matplotlib.
    """
    figure, (axes,) = panels(1, width=7.0, height=1.2 + 0.24 * len(found))
    for place, one in enumerate(found):
        axes.plot([one.low, one.high], [place, place], color="C0" if one.predicts else "grey", linewidth=1.5)
        axes.plot(one.rho, place, "o", color="C0" if one.predicts else "grey", markersize=5)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(found)), [one.name for one in found], fontsize=8)
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xlim(-1, 1)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("Spearman's correlation with validation NDCG@10, 95 %")
    return figure
