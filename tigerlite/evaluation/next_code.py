"""How well the last item's codes foretell the next item's codes: held-out cross-entropy of a counting model, in nats.

For level l the counting model is P(c_l of the next item | its own c_1..c_{l-1}, the last item's c_1..c_l), estimated from
the pairs (last item, next item) of some users and scored on the pairs of others. A plug-in estimate on the same pairs would be
biased towards 0, the more the longer the prefixes. Smoothing is that of Witten and Bell (1991), twice, with T the number of
different codes seen in a context and K those of the level (up to the largest in use):

    P(c | own)       = (n(own, c) + T(own) / K) / (n(own) + T(own))                              1 / K without any pair
    P(c | own, last) = (n(own, last, c) + T(own, last) P(c | own)) / (n(own, last) + T(own, last))   P(c | own) without any

`information` = H(c | own) - H(c | own, last), both held out, is what knowing the last item's codes is worth; it is negative where
that is less than what counting so many contexts costs. Pairs of equal items are left out: a repeat says nothing about codes.
"""

from dataclasses import dataclass

import numpy as np

from tigerlite.evaluation.prefix_groups import prefix_groups

HELD_OUT = 0.2
"""Share of the users whose pairs are scored."""
N_LEVELS = 3
"""Levels looked at; below, the counts are ones and zeros."""


@dataclass(frozen=True)
class NextCode:
    """Held-out cross-entropies of one level's code, in nats."""

    entropy: float
    """Given the next item's own earlier codes and the last item's codes."""
    without_history: float
    """Given the next item's own earlier codes alone."""

    @property
    def information(self) -> float:
        """What the last item's codes tell, in nats."""
        return self.without_history - self.entropy


def next_code_entropy(codes: np.ndarray, items: np.ndarray, offsets: np.ndarray, *, seed: int = 0) -> list[NextCode]:
    """Cross-entropies of the first levels, at most `N_LEVELS`; empty where either part of the users has no pair.

    Args:
        codes: (N, L), row i is item id i + 1.
        items: (I,) item ids, user by user in time order.
        offsets: (U + 1,) where each user begins in `items`.
        seed: draws the users that are scored.
    """
    lengths = np.diff(offsets)
    users = np.repeat(np.arange(len(lengths)), lengths)
    scored_users = np.random.default_rng(seed).random(len(lengths)) < HELD_OUT
    places = np.flatnonzero((users[1:] == users[:-1]) & (items[1:] != items[:-1])) + 1
    last, following = items[places - 1] - 1, items[places] - 1
    scored = scored_users[users[places]]
    if scored.all() or not scored.any():
        return []
    groups = prefix_groups(codes)
    found = []
    for level in range(min(codes.shape[1], N_LEVELS)):
        code, own = codes[following, level], groups[level][following]
        both = own * (int(groups[level + 1].max()) + 1) + groups[level + 1][last]
        alone = _smoothed(own, code, scored, 1 / (int(codes[:, level].max()) + 1))
        given = _smoothed(both, code, scored, alone)
        found.append(NextCode(float(-np.log(given[scored]).mean()), float(-np.log(alone[scored]).mean())))
    return found


def _smoothed(context: np.ndarray, code: np.ndarray, scored: np.ndarray, lower: np.ndarray | float) -> np.ndarray:
    """Probability (P,) of every pair's code in its context by the pairs that are not scored, backed off to `lower` (P,)."""
    _, context = np.unique(context, return_inverse=True)
    _, event = np.unique(context * (int(code.max()) + 1) + code, return_inverse=True)
    seen = np.bincount(event[~scored], minlength=int(event.max()) + 1)
    total = np.bincount(context[~scored], minlength=int(context.max()) + 1)
    context_of_event = np.empty(len(seen), dtype=np.int64)
    context_of_event[event] = context
    different = np.bincount(context_of_event[seen > 0], minlength=len(total))
    mass = (total + different)[context]
    return np.where(mass > 0, (seen[event] + different[context] * lower) / np.maximum(mass, 1), lower)
