"""Token weights from their definitions, with loops over groups, tokens and tree nodes."""

import math
from collections import defaultdict


def mean_dispersion(codes: list[tuple[int, ...]], points: list[list[float]], depth: int, squared: bool) -> float:
    """Mean over items of the mean (squared) distance to the centroid of the items with the same first `depth` codes."""
    groups = defaultdict(list)
    for path, point in zip(codes, points, strict=True):
        groups[path[:depth]].append(point)
    total = 0.0
    for members in groups.values():
        centroid = [sum(values) / len(members) for values in zip(*members, strict=True)]
        for point in members:
            distance = sum((a - b) ** 2 for a, b in zip(point, centroid, strict=True))
            total += distance if squared else math.sqrt(distance)
    return total / len(codes)


def information_gain(codes: list[tuple[int, ...]], counts: list[int], entropy: str) -> list[list[float]]:
    """Entropy below the prefix minus entropy below the prefix and the code, per item and level."""

    def below(prefix: tuple[int, ...]) -> float:
        mine = [count for path, count in zip(codes, counts, strict=True) if path[: len(prefix)] == prefix]
        if entropy == "prefix" and not sum(mine):
            mine = [1] * len(mine)
        total = sum(counts) if entropy == "catalogue" else sum(mine)
        return sum(-count / total * math.log(count / total) for count in mine if count)

    return [[max(0.0, below(path[:level]) - below(path[: level + 1])) for level in range(len(path))] for path in codes]
