"""Results by popularity: head and tail targets (arXiv 2601.17787, section 5.2.5), and deciles of items (its figure 2).

The paper does not say where frequency is counted, what is halved and how ties are broken. Here: frequency is the number
of *training* interactions of an item, so that no slice looks at what is to be predicted; items of equal frequency are
ordered by id, the lower id as the rarer. Two splits are reported:

half of the items   the distinct target items, rarest first, cut in the middle (an odd one out is head). A head item has
                    many targets, so most users are in the head.
half of the users   the rarest target items that together are the targets of at most half of the users are the tail. The
                    sensitivity check: both sides have about the same weight.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tigerlite.evaluation.canvas import grouped_bars, panels
from tigerlite.evaluation.ranking import summarise
from tigerlite.evaluation.report import method_order

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_DECILES = 10
LIST_LENGTHS = (1, 10)
SPLITS = ("half of the items", "half of the users")


def head_of_items(counts: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Whether each target is in the more frequent half of the distinct targets, (U,) bool.

    Args:
        counts: (N + 1,) training interactions by item id.
        targets: (U,) item ids.

    >>> head_of_items(np.array([0, 5, 1, 3]), np.array([1, 1, 1, 2, 3])).tolist()  # 2 is the tail, 3 and 1 the head
    [True, True, True, False, True]
    """
    items = _rarest_first(counts, np.unique(targets))
    return ~np.isin(targets, items[: len(items) // 2])


def head_of_users(counts: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Whether each target is outside the rarest items that are the targets of at most half of the users, (U,) bool.

    >>> head_of_users(np.array([0, 5, 1, 3]), np.array([1, 1, 1, 2, 3])).tolist()  # 2 and 3 have two of five users
    [True, True, True, False, False]
    """
    items = _rarest_first(counts, np.unique(targets))
    users = np.bincount(targets, minlength=len(counts))[items].cumsum()
    return ~np.isin(targets, items[2 * users <= len(targets)])


def head_tail(ranks: Mapping[str, np.ndarray], targets: np.ndarray, counts: np.ndarray) -> dict[str, Any]:
    """Metrics of head and tail targets under both splits.

    Args:
        ranks: method -> (U,) rank of the target, 0 where absent.
        targets: (U,) item ids.
        counts: (N + 1,) training interactions by item id.

    Returns:
        split -> head, tail -> n_users, n_items and metrics by method; a side without users has no metrics.
    """
    found: dict[str, Any] = {}
    for split, head in zip(SPLITS, (head_of_items(counts, targets), head_of_users(counts, targets)), strict=True):
        found[split] = {}
        for side, users in (("head", head), ("tail", ~head)):
            metrics = {method: summarise(values[users]) for method, values in ranks.items()} if users.any() else {}
            n_items = len(np.unique(targets[users]))
            found[split][side] = {"n_users": int(users.sum()), "n_items": n_items, "metrics": metrics}
    return found


def popularity_deciles(counts: np.ndarray) -> np.ndarray:
    """Decile 1 (rarest) .. 10 (most popular) of every item, (N + 1,) int64, 0 for padding.

    Deciles are of items: each holds N / 10 of them, give or take one.

    Args:
        counts: (N + 1,) training interactions by item id.

    >>> popularity_deciles(np.array([0, *range(20, 0, -1)])).tolist()[:5]
    [0, 10, 10, 9, 9]
    """
    n_items = len(counts) - 1
    deciles = np.zeros(n_items + 1, dtype=np.int64)
    deciles[_rarest_first(counts, np.arange(1, n_items + 1))] = np.arange(n_items) * N_DECILES // n_items + 1
    return deciles


def decile_shares(deciles: np.ndarray, items: np.ndarray) -> list[float]:
    """Share of the entries of `items` (any shape, 0 = empty) in decile 1..10; they add up to 1.

    >>> decile_shares(np.array([0, 10, 1, 1]), np.array([[1, 2], [1, 0], [1, 3]]))[::9]
    [0.4, 0.6]
    """
    of_items = np.bincount(deciles[items[items > 0]], minlength=N_DECILES + 1)[1:]
    return (of_items / max(of_items.sum(), 1)).tolist()


def label_and_prediction_deciles(
    lists: Mapping[str, np.ndarray], targets: np.ndarray, counts: np.ndarray
) -> dict[str, Any]:
    """Figure 2 of the paper: where the held-out items lie, and where each method's first 1 and first 10 items lie.

    Args:
        lists: method -> (U, k) ranked item ids.
        targets: (U,) item ids.
        counts: (N + 1,) training interactions by item id.

    Returns:
        `labels` (10 shares) and `methods`: method -> top-1, top-10 -> 10 shares.
    """
    deciles = popularity_deciles(counts)
    methods = {
        method: {f"top-{k}": decile_shares(deciles, items[:, :k]) for k in LIST_LENGTHS}
        for method, items in lists.items()
    }
    return {"labels": decile_shares(deciles, targets), "methods": methods}


def plot_head_tail(splits: Mapping[str, Any], metric: str = "ndcg@5") -> "Figure":
    """Figure 3 of the paper: head and tail beside each other, a panel per split.

    Args:
        splits: what `head_tail` gives.
        metric: one of its metrics.

    Raises:
        InputError: without matplotlib.
    """
    figure, axes = panels(len(splits), width=4.2)
    for panel, (split, sides) in zip(axes, splits.items(), strict=True):
        sides = {side: found for side, found in sides.items() if found["metrics"]}
        methods = method_order(next(iter(sides.values()))["metrics"])
        of = {name: [found["metrics"][name] for found in sides.values()] for name in methods}
        heights = {name: [values[metric] for values in sides_of] for name, sides_of in of.items()}
        errors = {name: [values[f"{metric}_se"] for values in sides_of] for name, sides_of in of.items()}
        groups = [f"{side}\n{found['n_users']:,} users, {found['n_items']:,} items" for side, found in sides.items()]
        grouped_bars(panel, groups, heights, errors)
        panel.set(title=f"split at {split}", ylabel=f"{metric.upper()}, mean and standard error", ylim=(0, None))
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def plot_deciles(found: Mapping[str, Any]) -> "Figure":
    """Figure 2 of the paper: bars for the held-out items, a line per method, a panel for top-1 and one for top-10.

    Args:
        found: what `label_and_prediction_deciles` gives.

    Raises:
        InputError: without matplotlib.
    """
    figure, axes = panels(len(LIST_LENGTHS), width=4.2)
    places = range(1, N_DECILES + 1)
    for panel, k in zip(axes, LIST_LENGTHS, strict=True):
        panel.bar(places, found["labels"], color="lightgrey", label="held-out items")
        for method in method_order(found["methods"]):
            panel.plot(places, found["methods"][method][f"top-{k}"], marker=".", label=method)
        panel.set_xticks(list(places))
        panel.set(title=f"first {k} recommended" if k > 1 else "first recommended", xlabel="decile of items")
    axes[0].set_ylabel("share (decile 10: most popular)")
    axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def _rarest_first(counts: np.ndarray, items: Sequence[int] | np.ndarray) -> np.ndarray:
    """`items` by training interactions, then by id, ascending."""
    items = np.asarray(items)
    return items[np.lexsort((items, counts[items]))]
