"""How much better than a baseline, by how often the held-out item occurs in training (arXiv 2504.04400, figure 5).

The article speaks of "interaction counts" with the test data beside them; here an item's frequency is the number of its
*training* interactions, so that no group looks at what is to be predicted. Beyond the paper's ratio, the paired bootstrap over
the users of a group says whether chance would do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tigerlite.config import InputError
from tigerlite.evaluation.canvas import panels
from tigerlite.evaluation.significance import compare_users

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 20
N_GROUPS = 5


@dataclass(frozen=True)
class FrequencyGroup:
    """Users whose held-out item occurs `low` to `high` - 1 times in training."""

    low: int
    high: int | None
    """None: however often."""
    n_users: int
    n_items: int
    """Distinct held-out items."""
    value: float
    """Mean of the metric."""
    baseline: float
    """The baseline's."""
    interval: tuple[float, float]
    """95 % of the bootstrapped difference over users; (nan, nan) for a single user."""

    @property
    def name(self) -> str:
        """As the paper writes it."""
        return f"[{self.low}, {'∞' if self.high is None else self.high})"

    @property
    def improvement(self) -> float:
        """(value - baseline) / baseline; nan where the baseline finds nothing."""
        return (self.value - self.baseline) / self.baseline if self.baseline else float("nan")


def frequency_groups(
    values: np.ndarray,
    baseline: np.ndarray,
    targets: np.ndarray,
    counts: np.ndarray,
    *,
    width: int = WIDTH,
    n_groups: int = N_GROUPS,
) -> list[FrequencyGroup]:
    """Groups of `width` training interactions each, the last without an upper end; those without users are left out.

    Args:
        values: (U,) a metric of every user.
        baseline: (U,) the same users' under the baseline.
        targets: (U,) held-out item ids.
        counts: (N + 1,) training interactions by item id.

    Raises:
        InputError: if `width` or `n_groups` is below 1.

    >>> values, baseline = np.array([1.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.5])
    >>> groups = frequency_groups(values, baseline, np.array([1, 1, 2]), np.array([0, 3, 50]), n_groups=2)
    >>> [(group.name, group.n_users, group.improvement) for group in groups]
    [('[0, 20)', 2, 0.0), ('[20, ∞)', 1, 1.0)]
    """
    if width < 1 or n_groups < 1:
        raise InputError(f"width={width} and n_groups={n_groups} must be integers >= 1")
    group_of = np.minimum(counts[targets] // width, n_groups - 1)
    groups = []
    for number in np.unique(group_of).tolist():
        users = group_of == number
        ours, theirs = values[users], baseline[users]
        interval = (float("nan"), float("nan"))
        if len(ours) > 1:
            found = compare_users(ours, theirs)
            interval = (found.low, found.high)
        groups.append(
            FrequencyGroup(
                low=number * width,
                high=None if number == n_groups - 1 else (number + 1) * width,
                n_users=len(ours),
                n_items=len(np.unique(targets[users])),
                value=float(ours.mean()),
                baseline=float(theirs.mean()),
                interval=interval,
            )
        )
    return groups


def plot_frequency_groups(groups: Sequence[FrequencyGroup], metric: str) -> "Figure":
    """Figure 5 of the paper: bars for the users of each group, a line for the improvement with its 95 % interval.

    The interval is that of the difference, in percent of the baseline's mean, so it may reach below -100 %.

    Args:
        groups: what `frequency_groups` gives.
        metric: its name.

    Raises:
        InputError: without matplotlib.
    """
    figure, (axes,) = panels(1, width=5.4, height=3.2)
    places = np.arange(len(groups))
    axes.bar(places, [group.n_users for group in groups], 0.6, color="lightgrey")
    axes.set_xticks(places, [group.name for group in groups])
    axes.set(xlabel="training interactions of the held-out item", ylabel="users (bars)")
    line = axes.twinx()
    improvement = np.array([100 * group.improvement for group in groups])
    bounds = np.array([group.interval for group in groups])
    known = np.array([group.baseline or np.nan for group in groups])
    ends = 100 * bounds / known[:, None]
    reach = np.abs(ends - improvement[:, None]).T
    line.errorbar(places, improvement, yerr=reach, marker="o", capsize=3, color="C0")
    line.axhline(0, color="black", linewidth=0.8, linestyle="--")
    line.set_ylabel(f"{metric} against the baseline, %")
    return figure
