"""Moves items with equal codes to free code paths, one after the other by item id; the first holder keeps its path.

Sets and integers instead of a table of all paths: a million items take about 0.2 GB, however many paths there are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tigerlite.config import InputError

# Items whose first choices are held at a time.
_CHUNK = 8192

# Called with the row of an item and the start of a code path; the codes of the next level, best first.
Preference = Callable[[int, list[int]], np.ndarray]
# Called with the rows (n,) of items; their best codes (n, m) at the last level, -1 from where they are not known.
FirstChoices = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Groups:
    """Items by code path."""

    path: np.ndarray
    """(N,) number of each item's path."""
    sizes: np.ndarray
    """(P,) items per path."""
    first: np.ndarray
    """(N,) bool, whether the item is the first of its path."""


def group_paths(codes: np.ndarray, codebook_sizes: Sequence[int]) -> Groups:
    """Which of the items with codes (N, L) share a path."""
    path = np.zeros(len(codes), dtype=np.int64)
    for level, size in enumerate(codebook_sizes):
        # Renumbered at every level, so the numbers stay below N * K however many levels there are.
        _, first, path, sizes = np.unique(
            path * size + codes[:, level], return_index=True, return_inverse=True, return_counts=True
        )
    is_first = np.zeros(len(codes), dtype=bool)
    is_first[first] = True
    return Groups(path, sizes, is_first)


def reassign(
    codes: np.ndarray, codebook_sizes: Sequence[int], preference: Preference, first_choices: FirstChoices | None = None
) -> np.ndarray:
    """Codes (N, L) int64 in which every later holder of a path has the free path that it prefers.

    The path shares the longest possible prefix with the item's own; from there on `preference` decides. An item that
    finds a free code among its `first_choices` takes it without asking `preference`, which must say the same.

    Raises:
        InputError: if there are more items than code paths.
    """
    groups = group_paths(codes, codebook_sizes)
    free = FreePaths(codes[groups.first], codebook_sizes, n_items=len(codes))
    codes = codes.astype(np.int64)
    duplicates = np.flatnonzero(~groups.first)
    for start in range(0, len(duplicates), _CHUNK):
        items = duplicates[start : start + _CHUNK]
        paths = codes[items].tolist()
        choices = [()] * len(items) if first_choices is None else first_choices(items).tolist()
        for row, item in enumerate(items.tolist()):
            found = free.among(paths[row], choices[row])
            paths[row] = found or free.search(paths[row], lambda prefix, item=item: preference(item, prefix))
            free.add(paths[row])
        codes[items] = paths
    return codes


class FreePaths:
    """Which code paths are taken, counted for every prefix, so that a full subtree is known without looking into it.

    Args:
        taken: distinct paths (P, L).
        codebook_sizes: codes per level, L numbers.
        n_items: items that will hold a path in the end.

    Raises:
        InputError: if there are more items than code paths.
    """

    def __init__(self, taken: np.ndarray, codebook_sizes: Sequence[int], *, n_items: int) -> None:
        self._sizes = [int(size) for size in codebook_sizes]
        # Python integers: the number of paths below a prefix can pass 2**63.
        self._capacity = [1] * (len(self._sizes) + 1)
        for level in reversed(range(len(self._sizes))):
            self._capacity[level] = self._capacity[level + 1] * self._sizes[level]
        if n_items > self._capacity[0]:
            raise InputError(
                f"{n_items} items do not fit into {self._capacity[0]} code paths of levels {self._sizes}; "
                f"use larger or more levels, or tokenize.collisions=rank_digit"
            )
        # A prefix is one number, its codes read as digits.
        keys = np.zeros(len(taken), dtype=np.int64 if self._capacity[0] < 2**62 else object)
        self._counts: list[dict[int, int]] = []
        for level, size in enumerate(self._sizes):
            found, counts = np.unique(keys, return_counts=True)
            self._counts.append(dict(zip(found.tolist(), counts.tolist(), strict=True)))
            keys = keys * size + taken[:, level]
        self._taken = set(keys.tolist())
        self._scanned: dict[tuple[int, ...], int] = {}

    def among(self, path: list[int], choices: Sequence[int]) -> list[int] | None:
        """`path` with the first free one of `choices` as last code; None if there is none among those before a -1."""
        key = self._key(path[:-1]) * self._sizes[-1]
        for code in choices:
            if code < 0:
                return None
            if key + code not in self._taken:
                return [*path[:-1], code]
        return None

    def search(self, path: list[int], preference: Callable[[list[int]], np.ndarray]) -> list[int]:
        """The free path that shares the longest prefix with `path`, by preference from there on."""
        level = len(path) - 1
        while self._is_full(level, self._key(path[:level])):
            level -= 1
        found, key = path[:level], self._key(path[:level])
        for size in self._sizes[level:]:
            codes = preference(found).tolist()
            code = next(code for code in codes if not self._is_full(len(found) + 1, key * size + code))
            found, key = [*found, code], key * size + code
        return found

    def scan(self, path: list[int], level: int) -> list[int] | None:
        """`path` with the lowest free code at one level, the others kept; None if all are taken."""
        place = (level, *path[:level], *path[level + 1 :])
        # Paths are never given back, so what was taken in an earlier scan needs no second look.
        for code in range(self._scanned.get(place, 0), self._sizes[level]):
            found = [*path[:level], code, *path[level + 1 :]]
            if self._key(found) not in self._taken:
                self._scanned[place] = code
                return found
        self._scanned[place] = self._sizes[level]
        return None

    def add(self, path: Sequence[int]) -> None:
        """Take a path."""
        key = 0
        for counts, size, code in zip(self._counts, self._sizes, path, strict=True):
            counts[key] = counts.get(key, 0) + 1
            key = key * size + code
        self._taken.add(key)

    def _key(self, prefix: Sequence[int]) -> int:
        key = 0
        for size, code in zip(self._sizes, prefix, strict=False):  # a prefix is shorter
            key = key * size + code
        return key

    def _is_full(self, length: int, key: int) -> bool:
        if length == len(self._sizes):
            return key in self._taken
        return self._counts[length].get(key, 0) >= self._capacity[length]
