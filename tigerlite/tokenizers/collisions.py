"""Items with the same codes: a digit more, or another code for all but the first.

`rank_digit` is TIGER's (arXiv 2305.05065, Section 3.1) with digits from 0. `nearest_free` moves an item as little as
possible in the tokenizer's space, `random_free` needs no tokenizer. The first holder (lowest item id) keeps its path.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tigerlite.config import InputError

COLLISIONS = ("rank_digit", "nearest_free", "random_free")

# Called with the row of an item and the start of a code path; the codes of the next level, best first.
_Preference = Callable[[int, list[int]], np.ndarray]


@dataclass(frozen=True)
class Resolved:
    """Unique code paths and what it took."""

    codes: np.ndarray
    """(N, L) int64, or (N, L + 1) after `rank_digit`; row i is item id i + 1."""
    codebook_sizes: tuple[int, ...]
    """Codes per level of `codes`."""
    n_distinct: int
    """Distinct code paths before."""
    n_duplicates: int
    """Items that had to get another path: N - n_distinct."""
    largest_group: int
    """Most items that shared one path before."""


def rank_digit(codes: np.ndarray, codebook_sizes: Sequence[int], *, max_digits: int = 256) -> Resolved:
    """Add a level: 0 for the first holder of a path by item id, 1 for the second, ...; as large as the largest group.

    Args:
        codes: (N, L).
        codebook_sizes: codes per level, L numbers.
        max_digits: largest group accepted (256 in MTGRec, arXiv 2504.04400).

    Raises:
        InputError: if more than `max_digits` items share a path.

    >>> rank_digit(np.array([[7, 7], [1, 1], [7, 7]]), (8, 8)).codes.tolist()
    [[7, 7, 0], [1, 1, 0], [7, 7, 1]]
    """
    groups = _groups(codes, codebook_sizes)
    order = np.argsort(groups.path, kind="stable")
    starts = np.cumsum(groups.sizes) - groups.sizes
    digits = np.empty(len(codes), dtype=np.int64)
    digits[order] = np.arange(len(codes)) - np.repeat(starts, groups.sizes)
    largest = int(groups.sizes.max())
    if largest > max_digits:
        example = codes[np.argmax(groups.sizes[groups.path])].tolist()
        raise InputError(
            f"{largest} items share the codes {example}, more than tokenize.max_digits={max_digits}; raise it, use "
            f"tokenize.collisions=nearest_free, or give the items distinct texts"
        )
    extended = np.concatenate([codes.astype(np.int64), digits[:, None]], axis=1)
    return _resolved(extended, (*codebook_sizes, largest), groups)


def nearest_free(
    codes: np.ndarray, codebook_sizes: Sequence[int], *, latents: np.ndarray, codebooks: Sequence[np.ndarray]
) -> Resolved:
    """Give every later holder of a path the nearest free code at the last level.

    Where no code of the last level is free, the next nearest at the level before is tried, and so on upwards; below a
    changed level the search starts again from the nearest code to the new residual. Ties go to the lower code.

    Args:
        codes: (N, L).
        codebook_sizes: codes per level, L numbers.
        latents: (N, D), what was quantised.
        codebooks: L arrays (K, D), whose chosen rows sum up to about the latent.

    Raises:
        InputError: if there are more items than code paths.
    """

    def preference(item: int, prefix: list[int]) -> np.ndarray:
        residual = latents[item].astype(np.float64) - sum(codebooks[level][code] for level, code in enumerate(prefix))
        distances = np.square(residual - codebooks[len(prefix)]).sum(axis=1)
        return np.argsort(distances, kind="stable")

    return _reassign(codes, codebook_sizes, preference)


def random_free(codes: np.ndarray, codebook_sizes: Sequence[int], *, generator: np.random.Generator) -> Resolved:
    """Give every later holder of a path a random free code at the last level (then at the level before, and so on).

    Args:
        codes: (N, L).
        codebook_sizes: codes per level, L numbers.
        generator: draws the codes, item by item in id order.

    Raises:
        InputError: if there are more items than code paths.
    """
    return _reassign(
        codes, codebook_sizes, lambda item, prefix: generator.permutation(int(codebook_sizes[len(prefix)]))
    )


def codebooks_from_codes(embeddings: np.ndarray, codes: np.ndarray, codebook_sizes: Sequence[int]) -> list[np.ndarray]:
    """Codebooks (K, D) that best explain embeddings (N, D) by given codes (N, L), level after level.

    A code's vector is the mean residual of its items after the levels before; a code without items gets infinity, which
    is never the nearest.
    """
    residual = embeddings.astype(np.float64)
    codebooks = []
    for level, size in enumerate(codebook_sizes):
        counts = np.bincount(codes[:, level], minlength=size)
        sums = np.zeros((size, residual.shape[1]))
        np.add.at(sums, codes[:, level], residual)
        vectors = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], np.inf)
        codebooks.append(vectors)
        residual = residual - vectors[codes[:, level]]
    return codebooks


@dataclass(frozen=True)
class _Groups:
    """Items by code path."""

    path: np.ndarray
    """(N,) number of each item's path."""
    sizes: np.ndarray
    """(P,) items per path."""
    first: np.ndarray
    """(N,) bool, whether the item is the first of its path."""


def _groups(codes: np.ndarray, codebook_sizes: Sequence[int]) -> _Groups:
    path = np.zeros(len(codes), dtype=np.int64)
    for level, size in enumerate(codebook_sizes):
        # Renumbered at every level, so the numbers stay below N * K however many levels there are.
        _, first, path, sizes = np.unique(
            path * size + codes[:, level], return_index=True, return_inverse=True, return_counts=True
        )
    is_first = np.zeros(len(codes), dtype=bool)
    is_first[first] = True
    return _Groups(path, sizes, is_first)


def _resolved(codes: np.ndarray, codebook_sizes: Sequence[int], groups: _Groups) -> Resolved:
    n_distinct = len(groups.sizes)
    sizes = tuple(int(size) for size in codebook_sizes)
    return Resolved(codes, sizes, n_distinct, len(codes) - n_distinct, int(groups.sizes.max()))


def _reassign(codes: np.ndarray, codebook_sizes: Sequence[int], preference: _Preference) -> Resolved:
    groups = _groups(codes, codebook_sizes)
    n_paths = float(np.prod([float(size) for size in codebook_sizes]))
    if len(codes) > n_paths:
        raise InputError(
            f"{len(codes)} items do not fit into {n_paths:.0f} code paths of levels {list(codebook_sizes)}; "
            f"use larger or more levels, or tokenize.collisions=rank_digit"
        )
    free = _FreePaths(codes[groups.first], codebook_sizes)
    codes = codes.astype(np.int64)
    for item in np.flatnonzero(~groups.first):
        codes[item] = free.take(codes[item].tolist(), lambda prefix, item=item: preference(int(item), prefix))
    return _resolved(codes, codebook_sizes, groups)


class _FreePaths:
    """Which code paths are taken, counted for every prefix, so that a full subtree is known without looking into it."""

    def __init__(self, taken: np.ndarray, codebook_sizes: Sequence[int]) -> None:
        self._n_levels = len(codebook_sizes)
        # Python integers: the number of paths below a prefix can pass 2**63.
        self._capacity = [1] * (self._n_levels + 1)
        for level in reversed(range(self._n_levels)):
            self._capacity[level] = self._capacity[level + 1] * int(codebook_sizes[level])
        self._counts: Counter[tuple[int, ...]] = Counter()
        for path in taken.tolist():
            self._add(path)

    def take(self, path: list[int], preference: Callable[[list[int]], np.ndarray]) -> list[int]:
        """The free path that shares the longest prefix with `path`, by preference from there on; it is then taken."""
        level = self._n_levels - 1
        while self._full(path[:level]):
            level -= 1
        found = path[:level]
        while len(found) < self._n_levels:
            found.append(next(code for code in preference(found).tolist() if not self._full([*found, code])))
        self._add(found)
        return found

    def _full(self, prefix: list[int]) -> bool:
        return self._counts[tuple(prefix)] >= self._capacity[len(prefix)]

    def _add(self, path: list[int]) -> None:
        for length in range(self._n_levels + 1):
            self._counts[tuple(path[:length])] += 1
