"""Prefix match and its DCG by the definition, one user, place and code at a time."""

import math
from collections.abc import Sequence


def shares_prefix(left: Sequence[int], right: Sequence[int], n_codes: int) -> bool:
    return list(left[:n_codes]) == list(right[:n_codes])


def slow_prefix_figures(
    codes: Sequence[Sequence[int]], ranked: Sequence[int], target: int, n_codes: int, k: int
) -> tuple[float, float, float]:
    """Hit@k, the sum of all discounts, and the discount of the first match."""
    discounts = []
    for place, item in enumerate(ranked[:k], start=1):
        if item != 0 and shares_prefix(codes[item], codes[target], n_codes):
            discounts.append(1 / math.log2(place + 1))
    return float(bool(discounts)), sum(discounts), discounts[0] if discounts else 0.0
