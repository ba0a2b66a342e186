"""Filter ratio: which share of the remaining items each further code rules out (arXiv 2601.17787, table 1).

At layer k an item i shares its first k codes with G_k(i) items; the ratio is 1 - |G_k(i)| / |G_{k-1}(i)|, G_0 being the
catalogue. The paper does not say over what it averages: over items, or over the distinct prefixes of length k, which at
layer 1 gives exactly 1 - 1 / (codes in use). Both are given; beyond layer 1 they hardly differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tigerlite.evaluation.canvas import grouped_bars, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class LevelFilter:
    """The filter ratio of one layer."""

    by_items: float
    """Mean over items."""
    by_prefixes: float
    """Mean over the distinct prefixes that end at this layer."""


def prefix_groups(codes: np.ndarray) -> list[np.ndarray]:
    """Which prefix each item belongs to: L + 1 arrays (N,) of group numbers 0.., for 0, 1, .. L codes.

    >>> [groups.tolist() for groups in prefix_groups(np.array([[3, 1], [0, 1], [3, 2]]))]
    [[0, 0, 0], [1, 0, 1], [1, 0, 2]]
    """
    groups = [np.zeros(len(codes), dtype=np.int64)]
    size = int(codes.max()) + 1
    for level in range(codes.shape[1]):
        # Groups are renumbered 0.. at every level, so the keys stay below N * K.
        groups.append(np.unique(groups[-1] * size + codes[:, level], return_inverse=True)[1])
    return groups


def filter_ratio(codes: np.ndarray) -> list[LevelFilter]:
    """The filter ratio of layers 1..L of codes (N, L).

    >>> filter_ratio(np.array([[0, 0], [0, 1], [0, 2], [1, 0]]))[0]  # items: 3 keep 3 of 4, one keeps 1 of 4
    LevelFilter(by_items=0.375, by_prefixes=0.5)
    """
    groups = prefix_groups(codes)
    levels = []
    for before, after in pairwise(groups):
        ratios = 1 - np.bincount(after)[after] / np.bincount(before)[before]  # (N,)
        first = np.unique(after, return_index=True)[1]
        levels.append(LevelFilter(float(ratios.mean()), float(ratios[first].mean())))
    return levels


def plot_filter_ratio(levels: Sequence[LevelFilter]) -> "Figure":
    """Bars per layer, by items and by prefixes, with the percentages on top.

    Args:
        levels: what `filter_ratio` gives.

    Raises:
        InputError: without matplotlib.
    """
    figure, (axes,) = panels(1, width=2 + 1.2 * len(levels))
    series = {"by items": [level.by_items for level in levels], "by prefixes": [level.by_prefixes for level in levels]}
    grouped_bars(axes, [f"code {number}" for number in range(1, len(levels) + 1)], series)
    for bars in axes.containers:
        axes.bar_label(bars, fmt=lambda share: f"{100 * share:.1f}", fontsize=8, padding=1)
    axes.set(
        title="Filter ratio: items ruled out by one more code, %", ylabel="share of the items left", ylim=(0, 1.25)
    )
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper right")
    return figure
