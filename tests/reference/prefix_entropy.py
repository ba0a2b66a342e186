"""Purity gain by the definition, prefix by prefix."""

import math
from collections import defaultdict
from collections.abc import Sequence


def prefixes(codes: Sequence[Sequence[int]], n_codes: int) -> dict[tuple[int, ...], list[int]]:
    """Rows of the items that share each prefix of `n_codes` codes."""
    groups = defaultdict(list)
    for row, path in enumerate(codes):
        groups[tuple(path[:n_codes])].append(row)
    return groups


def slow_purity(frequencies: Sequence[float]) -> float:
    n, total = len(frequencies), sum(frequencies)
    if n == 1:
        return 1.0
    shares = [frequency / total for frequency in frequencies] if total else [1 / n] * n
    return 1 + sum(share * math.log(share) for share in shares if share) / math.log(n)


def slow_purity_gain(
    codes: Sequence[Sequence[int]], frequencies: Sequence[float], level: int
) -> tuple[dict[int, float], float, float]:
    """Mean gain of every code at `level` (from 1) over its prefixes; mean over prefixes; mean over items."""
    before, after = prefixes(codes, level - 1), prefixes(codes, level)

    def purity(rows: Sequence[int]) -> float:
        return slow_purity([frequencies[row] for row in rows])

    gains = {prefix: purity(rows) - purity(before[prefix[:-1]]) for prefix, rows in after.items()}
    of_code = defaultdict(list)
    for prefix, gain in gains.items():
        of_code[prefix[-1]].append(gain)
    by_items = sum(gains[prefix] * len(rows) for prefix, rows in after.items()) / len(codes)
    means = {code: sum(found) / len(found) for code, found in of_code.items()}
    return means, sum(gains.values()) / len(gains), by_items
