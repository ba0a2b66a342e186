"""The space in which codes lie near each other: what `nearest_free` and Sinkhorn rounds ask about items and codes."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

# Distances from a matrix product and from differences agree to about 1e-13 of the squared norms.
_TIE = 1e-9


class Space(Protocol):
    """Squared distances of items to the codes that can follow a prefix."""

    def distances(self, items: np.ndarray, prefixes: np.ndarray) -> np.ndarray:
        """(n, K) float64, of the items in rows (n,) to all codes after prefixes (n, l); infinite for a code never used."""

    def first_choices(self, items: np.ndarray, prefixes: np.ndarray, n_choices: int) -> np.ndarray:
        """(n, m) int64, at most `n_choices` nearest codes in order, ties to the lower one; -1 from where order is not sure."""


class AdditiveSpace:
    """Latents that codebooks explain as a sum of one vector per level.

    Args:
        latents: (N, D), what was quantised.
        codebooks: L arrays (K, D), whose chosen rows sum up to about the latent; an infinite row is a code never used.

    >>> space = AdditiveSpace(np.array([[2.0]]), [np.array([[0.0], [3.0]]), np.array([[-1.0], [0.0]])])
    >>> space.distances(np.array([0]), np.array([[1]])).tolist()
    [[0.0, 1.0]]
    """

    def __init__(self, latents: np.ndarray, codebooks: Sequence[np.ndarray]) -> None:
        self._latents, self._codebooks = latents, codebooks

    def distances(self, items: np.ndarray, prefixes: np.ndarray) -> np.ndarray:
        """See `Space`."""
        residuals = self._residuals(items, prefixes)
        vectors = self._codebooks[prefixes.shape[1]]
        # Row by row: the differences of many rows at once would take n * K * D numbers.
        return np.stack([np.square(residual - vectors).sum(axis=1) for residual in residuals])

    def first_choices(self, items: np.ndarray, prefixes: np.ndarray, n_choices: int) -> np.ndarray:
        """See `Space`."""
        residuals = self._residuals(items, prefixes)
        vectors = self._codebooks[prefixes.shape[1]].astype(np.float64)
        used = np.isfinite(vectors).all(axis=1)
        vectors = np.where(used[:, None], vectors, 0.0)
        norms = np.square(vectors).sum(axis=1)
        rough = np.where(used, norms - 2 * residuals @ vectors.T, np.inf)  # (n, K), without |residual|^2
        n_sorted = min(n_choices + 1, len(vectors))
        nearest = np.argpartition(rough, n_sorted - 1, axis=1)[:, :n_sorted] if n_sorted < len(vectors) else None
        candidates = rough if nearest is None else np.take_along_axis(rough, nearest, axis=1)
        order = np.argsort(candidates, axis=1, kind="stable")
        codes = order if nearest is None else np.take_along_axis(nearest, order, axis=1)
        sorted_distances = np.take_along_axis(candidates, order, axis=1)
        scale = np.square(residuals).sum(axis=1, keepdims=True) + norms.max()
        with np.errstate(invalid="ignore"):  # infinity - infinity: not sure
            sure = np.diff(sorted_distances, axis=1) > _TIE * scale
        known = np.logical_and.accumulate(sure, axis=1)
        return np.where(known, codes[:, :-1], -1)

    def _residuals(self, items: np.ndarray, prefixes: np.ndarray) -> np.ndarray:
        residuals = self._latents[items].astype(np.float64)
        return residuals - sum(self._codebooks[level][codes] for level, codes in enumerate(prefixes.T))


class DigitSpace:
    """A space with one level more, of digits, where lower ones are nearer.

    Args:
        space: of the levels before.
        n_levels: how many those are.
        n_digits: codes of the last level.
    """

    def __init__(self, space: Space, n_levels: int, n_digits: int) -> None:
        self._space, self._n_levels, self._n_digits = space, n_levels, n_digits

    def distances(self, items: np.ndarray, prefixes: np.ndarray) -> np.ndarray:
        """See `Space`."""
        if prefixes.shape[1] < self._n_levels:
            return self._space.distances(items, prefixes)
        return np.tile(np.arange(self._n_digits, dtype=np.float64), (len(items), 1))

    def first_choices(self, items: np.ndarray, prefixes: np.ndarray, n_choices: int) -> np.ndarray:
        """See `Space`; asked of the last level alone."""
        return np.tile(np.arange(min(n_choices, self._n_digits)), (len(items), 1))


class SelectedSpace:
    """The space of some items: its item i is item rows[i] of `space`."""

    def __init__(self, space: Space, rows: np.ndarray) -> None:
        self._space, self._rows = space, rows

    def distances(self, items: np.ndarray, prefixes: np.ndarray) -> np.ndarray:
        """See `Space`."""
        return self._space.distances(self._rows[items], prefixes)

    def first_choices(self, items: np.ndarray, prefixes: np.ndarray, n_choices: int) -> np.ndarray:
        """See `Space`."""
        return self._space.first_choices(self._rows[items], prefixes, n_choices)


def flat_space(n_items: int, codebook_sizes: Sequence[int]) -> AdditiveSpace:
    """One in which no code is nearer than another, so that the lowest free one is taken."""
    return AdditiveSpace(np.zeros((n_items, 1)), [np.zeros((size, 1)) for size in codebook_sizes])
