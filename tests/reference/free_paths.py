"""Moving duplicates to free paths with one counter of tuples and no shortcuts."""

from collections import Counter

import numpy as np


def nearest_free(codes, sizes, latents, codebooks):
    """Codes after every later duplicate ranked all codes of a level by explicit differences."""

    def preference(item, prefix):
        residual = latents[item].astype(np.float64) - sum(codebooks[level][code] for level, code in enumerate(prefix))
        return np.argsort(np.square(residual - codebooks[len(prefix)]).sum(axis=1), kind="stable")

    return _reassign(codes, sizes, preference)


def random_free(codes, sizes, generator):
    """Codes after every later duplicate drew a permutation of the codes of a level."""
    return _reassign(codes, sizes, lambda item, prefix: generator.permutation(sizes[len(prefix)]))


def first_free(codes, sizes):
    """Codes after every later duplicate tried 0, 1, 2, ... at the last level, then at the one before, ..."""
    rows = [tuple(row) for row in codes.tolist()]
    taken, seen = set(rows), set()
    for item, row in enumerate(rows):
        if row not in seen:
            seen.add(row)
            continue
        tries = (
            (*row[:level], code, *row[level + 1 :])
            for level in reversed(range(len(sizes)))
            for code in range(sizes[level])
        )
        rows[item] = next(path for path in tries if path not in taken)
        taken.add(rows[item])
    return np.array(rows)


def _reassign(codes, sizes, preference):
    rows, seen = [tuple(row) for row in codes.tolist()], set()
    free = _FreePaths(set(rows), sizes)
    for item, row in enumerate(rows):
        if row in seen:
            rows[item] = free.take(row, lambda prefix, item=item: preference(item, prefix))
        seen.add(row)
    return np.array(rows)


class _FreePaths:
    def __init__(self, taken, sizes):
        self._sizes = sizes
        self._counts = Counter()
        for path in taken:
            self._add(path)

    def take(self, path, preference):
        level = len(path) - 1
        while self._full(path[:level]):
            level -= 1
        found = path[:level]
        while len(found) < len(self._sizes):
            code = next(code for code in preference(found).tolist() if not self._full((*found, code)))
            found = (*found, code)
        self._add(found)
        return found

    def _full(self, prefix):
        capacity = 1
        for size in self._sizes[len(prefix) :]:
            capacity *= size
        return self._counts[prefix] >= capacity

    def _add(self, path):
        for length in range(len(path) + 1):
            self._counts[path[:length]] += 1
