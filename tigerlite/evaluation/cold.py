"""Metrics on targets that nobody has consumed in training, whether they were held out on purpose or came late."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tigerlite.evaluation.ranking import summarise


@dataclass(frozen=True)
class ColdSlice:
    """The users whose target has no training interaction."""

    n_users: int
    n_items: int
    """Different targets among them."""
    metrics: dict[str, dict[str, float]]
    """Method -> metric -> value, as `ranking.summarise` names them."""


def cold_slice(ranks: Mapping[str, np.ndarray], targets: np.ndarray, counts: np.ndarray) -> ColdSlice | None:
    """Metrics of every method on cold targets; None where there are none.

    Args:
        ranks: method -> (U,) rank of every user's target.
        targets: (U,) item ids.
        counts: (N + 1,) training interactions of every item.

    >>> found = cold_slice({"tiger": np.array([1, 0, 2])}, np.array([1, 2, 3]), np.array([0, 5, 0, 0]))
    >>> found.n_users, found.metrics["tiger"]["recall@5"]
    (2, 0.5)
    """
    cold = counts[targets] == 0
    if not cold.any():
        return None
    metrics = {method: summarise(rank[cold]) for method, rank in ranks.items()}
    return ColdSlice(int(cold.sum()), len(np.unique(targets[cold])), metrics)
