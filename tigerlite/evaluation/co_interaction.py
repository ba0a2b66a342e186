"""Do users go on to items with the codes they know? How often the next item shares its first codes with a recent one."""

from dataclasses import dataclass

import numpy as np

from tigerlite.evaluation.prefix_groups import prefix_groups

WINDOW = 5
"""Recent items that are compared with the next one."""
N_PERMUTATIONS = 5
"""Random assignments of the identifiers to the items that the chance rate is the mean of."""
N_LEVELS = 3
"""Longest prefix looked at: longer ones are shared by hardly any two items."""


@dataclass(frozen=True)
class PrefixHits:
    """Next items that share a prefix of one length with one of the last `WINDOW` items."""

    rate: float
    """Share of the next items."""
    chance: float
    """The same after the identifiers were dealt to the items at random: what group sizes and popularity give for nothing."""

    @property
    def lift(self) -> float:
        """How many times as often as by chance; 1 where both are 0."""
        return self.rate / self.chance if self.chance else 1.0 if not self.rate else float("inf")


def prefix_hits(
    codes: np.ndarray,
    items: np.ndarray,
    offsets: np.ndarray,
    *,
    window: int = WINDOW,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> list[PrefixHits]:
    """Hit rates for prefixes of 1, 2, ... codes, at most `N_LEVELS`; empty without any next item.

    A next item that is itself one of the last `window` is left out: a repeat shares every code, whatever the identifiers.

    Args:
        codes: (N, L), row i is item id i + 1.
        items: (I,) item ids, user by user in time order.
        offsets: (U + 1,) where each user begins in `items`.
        window: recent items compared.
        n_permutations: of the chance rate.
        seed: of the permutations.

    >>> hits = prefix_hits(np.array([[0], [0], [1]]), np.array([1, 2, 3]), np.array([0, 3]))
    >>> hits[0].rate  # item 2 shares the code of item 1, item 3 shares none
    0.5
    """
    recent, counted = recent_items(items, offsets, window)
    following = items[counted]
    fresh = ~(recent == following[:, None]).any(axis=1)
    recent, following = recent[fresh], following[fresh]
    if not len(following):
        return []
    generator = np.random.default_rng(seed)
    orders = [generator.permutation(len(codes)) for _ in range(n_permutations)]
    found = []
    for groups in prefix_groups(codes)[1 : N_LEVELS + 1]:
        chance = [_hit_rate(groups[order], recent, following) for order in orders]
        found.append(PrefixHits(_hit_rate(groups, recent, following), float(np.mean(chance))))
    return found


def recent_items(items: np.ndarray, offsets: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """The last `window` items before every event but each user's first, and the places of these events.

    Returns:
        (E, window) item ids, the latest first, 0 where there are no more; (E,) places in `items`.
    """
    lengths = np.diff(offsets)
    age = np.arange(len(items)) - np.repeat(offsets[:-1], lengths)  # how many events the user had before
    places = np.flatnonzero(age > 0)
    steps = np.arange(1, window + 1)
    inside = steps <= age[places][:, None]
    return np.where(inside, items[np.maximum(places[:, None] - steps, 0)], 0), places


def _hit_rate(groups: np.ndarray, recent: np.ndarray, following: np.ndarray) -> float:
    of_item = np.concatenate([[-1], groups])  # padding is in no group
    return float((of_item[recent] == of_item[following][:, None]).any(axis=1).mean())
