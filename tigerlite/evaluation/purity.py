"""Purity gain: how much surer of the item each further code makes (arXiv 2601.17787, figure 1).

The purity of a prefix is 1 - H / log n: n items share it, H is the entropy of their frequencies; 1 = one item has all,
0 = all alike. The gain of a code is purity(prefix + code) - purity(prefix); it may be negative. The paper leaves open
what a prefix of one item has (0 / 0), what "all occurrences" of a code are and where frequency is counted. Here: one item
is pure (1); occurrences are distinct prefixes, and the mean over items is given beside it; frequencies are an argument
(training interactions). Items of frequency 0 count in n; where all are 0 they are taken as equally frequent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tigerlite.evaluation.canvas import panels
from tigerlite.evaluation.prefix_groups import prefix_groups

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class LevelPurity:
    """The purity gain of one level."""

    gains: np.ndarray
    """(K,) mean gain of each code over the distinct prefixes that it ends; nan for a code that no item has."""
    by_prefixes: float
    """Mean over all distinct prefixes that end at this level."""
    by_items: float
    """Mean over items."""


def prefix_purity(groups: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """1 - H / log n of every group 0.., shape (G,).

    Args:
        groups: (N,) group number of every item.
        frequencies: (N,) how often each item occurs, >= 0.

    >>> prefix_purity(np.array([0, 0, 1, 2, 2]), np.array([3, 3, 5, 4, 0])).round(4).tolist()
    [0.0, 1.0, 1.0]
    """
    sizes = np.bincount(groups)
    totals = np.bincount(groups, frequencies)
    frequencies = np.where(totals[groups] > 0, frequencies, 1.0)
    shares = frequencies / np.bincount(groups, frequencies)[groups]
    informations = -shares * np.log(np.where(shares > 0, shares, 1.0))
    entropies = np.bincount(groups, informations)
    return np.where(sizes > 1, 1 - entropies / np.log(np.maximum(sizes, 2)), 1.0)


def purity_gain(codes: np.ndarray, frequencies: np.ndarray) -> list[LevelPurity]:
    """The purity gain of levels 1..L.

    Args:
        codes: (N, L).
        frequencies: (N,) how often each item occurs, such as its training interactions.

    >>> first, second = purity_gain(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([1, 1, 1, 1]))
    >>> abs(round(first.by_items, 4)), second.by_items, second.gains.tolist()
    (0.0, 1.0, [1.0, 1.0])
    """
    groups = prefix_groups(codes)
    purities = [prefix_purity(members, frequencies) for members in groups]
    levels = []
    for level in range(codes.shape[1]):
        after = groups[level + 1]
        gains = purities[level + 1][after] - purities[level][groups[level]]  # (N,)
        first = np.unique(after, return_index=True)[1]  # one item of every prefix
        ended = codes[first, level]
        sums, prefixes = np.bincount(ended, gains[first]), np.bincount(ended)
        means = np.divide(sums, prefixes, out=np.full(len(sums), np.nan), where=prefixes > 0)
        levels.append(LevelPurity(means, float(gains[first].mean()), float(gains.mean())))
    return levels


def plot_purity_gain(levels: Sequence[LevelPurity]) -> "Figure":
    """A panel per level: the mean gain of every code in use, largest first; the dashed line is the mean over prefixes.

    Args:
        levels: what `purity_gain` gives.

    Raises:
        InputError: without matplotlib.
    """
    figure, axes = panels(len(levels), width=3.0)
    low = min(0.0, *(float(np.nanmin(level.gains)) for level in levels))
    for number, (panel, level) in enumerate(zip(axes, levels, strict=True), start=1):
        gains = np.sort(level.gains[~np.isnan(level.gains)])[::-1]
        panel.bar(np.arange(len(gains)), gains, width=1.0)
        panel.axhline(level.by_prefixes, color="black", linewidth=0.8, linestyle="--")
        panel.set_title(f"code {number}: mean {level.by_prefixes:.2f}", fontsize=9)
        panel.set(xlabel="codes, largest gain first", ylim=(1.05 * low, 1.05))
    axes[0].set_ylabel("purity gain")
    return figure
