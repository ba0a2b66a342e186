"""What a hit takes: to repeat an item, to remember a transition seen in training, or to find a new one.

arXiv 2603.19809 asks whether a method memorises or generalises by whether the transition to the target was seen in training. Here
a transition is the pair of the last item of the history and the target, seen where the two follow each other in the training part
of any user; targets that the user has had before are apart, since copying them needs no knowledge of items at all. On data
with repeat consumption most of a metric may be theirs.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tigerlite.evaluation.canvas import panels
from tigerlite.evaluation.ranking import summarise
from tigerlite.evaluation.report import method_order

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("repeat", "seen transition", "new transition")


def target_kinds(items: np.ndarray, offsets: np.ndarray, train_ends: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The kind of every target, an index into `KINDS`, (U,) int64; without a history a transition is new.

    Args:
        items: (I,) item ids of all interactions, user after user in time order.
        offsets: (n_users + 1,), where each user's interactions begin.
        train_ends: (n_users,), where each user's training part ends.
        rows: (U, 2) user and position of the target in `items`.

    >>> items = np.array([1, 2, 3, 1, 4, 2, 3])  # users 1 2 3 1 and 4 2 3, of which 1 2 3 and 4 2 are training
    >>> kinds = target_kinds(items, np.array([0, 4, 7]), np.array([3, 6]), np.array([[0, 3], [1, 6]]))
    >>> [KINDS[kind] for kind in kinds]
    ['repeat', 'seen transition']
    """
    items, width = items.astype(np.int64), int(items.max(initial=0)) + 1
    users, positions = rows.T
    user_of = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    # The first occurrence of every (user, item) says whether a target was there before.
    pairs, first = np.unique(user_of * width + items, return_index=True)
    targets = items[positions]
    repeats = first[np.searchsorted(pairs, users * width + targets)] < positions
    followed = np.arange(1, len(items))
    followed = followed[(followed > offsets[user_of[1:]]) & (followed < train_ends[user_of[1:]])]
    seen = np.unique(items[followed - 1] * width + items[followed])
    has_history = positions > offsets[users]
    last = np.where(has_history, items[np.maximum(positions - 1, 0)], 0)
    known = np.isin(last * width + targets, seen) & has_history
    return np.where(repeats, 0, np.where(known, 1, 2))


def share_of_repeats(items: np.ndarray, offsets: np.ndarray, train_ends: np.ndarray, rows: np.ndarray) -> float:
    """Share of the targets that the user has had before, 0 without targets; arguments as of `target_kinds`."""
    if not len(rows):
        return 0.0
    return float((target_kinds(items, offsets, train_ends, rows) == KINDS.index("repeat")).mean())


def by_kind(ranks: Mapping[str, np.ndarray], kinds: np.ndarray) -> dict[str, Any]:
    """Metrics of every method over the targets of each kind.

    Args:
        ranks: method -> (U,) rank of the target, 0 where absent.
        kinds: (U,), of `target_kinds`.

    Returns:
        kind -> n_users and metrics by method; a kind without targets has no metrics.
    """
    found: dict[str, Any] = {}
    for number, kind in enumerate(KINDS):
        users = kinds == number
        metrics = {method: summarise(values[users]) for method, values in ranks.items()} if users.any() else {}
        found[kind] = {"n_users": int(users.sum()), "metrics": metrics}
    return found


def contributions(found: Mapping[str, Any], metric: str = "ndcg@10") -> dict[str, list[float]]:
    """What every kind adds to the mean over all users, by method (closed forms first), in the order of `KINDS`.

    >>> found = {"repeat": {"n_users": 1, "metrics": {"tiger": {"ndcg@10": 1.0}}}, "seen transition": {"n_users": 0,
    ...     "metrics": {}}, "new transition": {"n_users": 3, "metrics": {"tiger": {"ndcg@10": 0.2}}}}
    >>> [round(share, 2) for share in contributions(found)["tiger"]]
    [0.25, 0.0, 0.15]
    """
    kinds = [found[kind] for kind in KINDS]  # json files hold them in another order
    n_users = max(sum(of["n_users"] for of in kinds), 1)
    methods = method_order(dict.fromkeys(method for of in kinds for method in of["metrics"]))
    return {
        method: [of["n_users"] / n_users * of["metrics"][method][metric] if of["metrics"] else 0.0 for of in kinds]
        for method in methods
    }


def plot_contributions(parts: Mapping[str, list[float]], metric: str = "ndcg@10") -> "Figure":
    """A bar per method, cut into what each kind of target adds to the metric.

    Args:
        parts: what `contributions` gives; several runs may be put together.
        metric: its name.

    Raises:
        InputError: without matplotlib.
    """
    figure, (axes,) = panels(1, width=max(4.5, 0.8 * len(parts) + 2.0), height=3.2)
    bottom = np.zeros(len(parts))
    for number, kind in enumerate(KINDS):
        heights = np.array([values[number] for values in parts.values()])
        axes.bar(range(len(parts)), heights, 0.7, bottom, label=kind, color=f"C{number}")
        bottom += heights
    axes.set_xticks(range(len(parts)), list(parts), rotation=30, ha="right", fontsize=8)
    axes.set(ylabel=f"{metric.upper()}, by what the hit takes")
    axes.legend(frameon=False, fontsize=8)
    return figure
