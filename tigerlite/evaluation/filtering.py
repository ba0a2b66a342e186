"""How many candidate items each further code rules out (the filter ratio of arXiv 2601.17787, Table 1).

With G_l(i) the items that share the first l codes of item i, the filter ratio of level l is the mean of
1 - |G_l| / |G_{l-1}|. The paper does not say what the mean is over, so both readings are given: items (a level 1 of code
shares p has 1 - sum p^2) and distinct prefixes of l codes (a level 1 of K used codes has 1 - 1 / K, however uneven they are).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tigerlite.evaluation.canvas import grouped_bars, panels
from tigerlite.evaluation.prefix_groups import prefix_groups

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class FilterRatio:
    """What one level rules out."""

    by_items: float
    """Mean over items."""
    by_prefixes: float
    """Mean over the distinct prefixes that end at this level."""
    remaining: float
    """Mean over items of the items that share the prefix, itself included: what the next level chooses among."""


def filter_ratio(codes: np.ndarray) -> list[FilterRatio]:
    """The filter ratio of every level of codes (N, L).

    >>> [ratio.by_items for ratio in filter_ratio(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))]
    [0.5, 0.5]
    """
    ratios = []
    groups = prefix_groups(codes)
    for parents, children in pairwise(groups):
        sizes = np.bincount(children)
        parent_sizes = np.bincount(parents)
        kept = sizes[children] / parent_sizes[parents]  # (N,)
        first = np.unique(children, return_index=True)[1]  # one item of every prefix
        ratios.append(
            FilterRatio(
                by_items=float(1 - kept.mean()),
                by_prefixes=float(1 - kept[first].mean()),
                remaining=float(sizes[children].mean()),
            )
        )
    return ratios


def plot_filter_ratio(levels: Sequence[FilterRatio]) -> "Figure":
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
