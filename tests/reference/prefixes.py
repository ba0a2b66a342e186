"""Figures about prefixes with dictionaries and loops, one item or event at a time."""

import math
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np


def groups_by_prefix(codes: np.ndarray, length: int) -> dict[tuple, list[int]]:
    """Prefix -> rows that have it."""
    found = defaultdict(list)
    for row, path in enumerate(codes.tolist()):
        found[tuple(path[:length])].append(row)
    return found


def filter_ratio(codes: np.ndarray, level: int) -> tuple[float, float]:
    """Mean over items and over prefixes of 1 - |G_l| / |G_{l-1}|."""
    before, after = groups_by_prefix(codes, level - 1), groups_by_prefix(codes, level)
    ratios = {prefix: 1 - len(rows) / len(before[prefix[:-1]]) for prefix, rows in after.items()}
    per_item = [ratios[tuple(path[:level])] for path in codes.tolist()]
    return float(np.mean(per_item)), float(np.mean(list(ratios.values())))


def embedding_purity(codes: np.ndarray, embeddings: np.ndarray, length: int) -> float:
    """1 - mean squared distance to the group's centroid over that to the mean."""
    total = sum(float(((row - embeddings.mean(axis=0)) ** 2).sum()) for row in embeddings)
    within = 0.0
    for rows in groups_by_prefix(codes, length).values():
        centroid = embeddings[rows].mean(axis=0)
        within += sum(float(((embeddings[row] - centroid) ** 2).sum()) for row in rows)
    return 1 - within / total


def neighbour_overlap(codes: np.ndarray, embeddings: np.ndarray, length: int, k: int) -> float:
    """Mean share of an item's k neighbours by cosine that have its prefix."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    shares = []
    for row in range(len(codes)):
        order = sorted(
            (other for other in range(len(codes)) if other != row), key=lambda o: -float(unit[row] @ unit[o])
        )
        shares.append(np.mean([tuple(codes[o][:length]) == tuple(codes[row][:length]) for o in order[:k]]))
    return float(np.mean(shares))


def prefix_hit_rate(codes: np.ndarray, sequences: list[list[int]], length: int, window: int) -> float:
    """How often the next item, unless it is a repeat, shares the prefix of one of the last items."""
    hits = []
    for sequence in sequences:
        for place in range(1, len(sequence)):
            recent, following = sequence[max(0, place - window) : place], sequence[place]
            if following in recent:
                continue
            prefix = tuple(codes[following - 1][:length])
            hits.append(any(tuple(codes[item - 1][:length]) == prefix for item in recent))
    return float(np.mean(hits))


def next_code(codes, sequences, scored, level) -> tuple[float, float]:
    """Held-out cross-entropies with and without the last item; `scored` says which sequences are held out."""
    size = int(codes[:, level].max()) + 1
    alone, given, held_out = defaultdict(Counter), defaultdict(Counter), []
    for sequence, held in zip(sequences, scored, strict=True):
        for last, following in pairwise(sequence):
            if last == following:
                continue
            own, code = tuple(codes[following - 1][:level]), int(codes[following - 1][level])
            both = own, tuple(codes[last - 1][: level + 1])
            if held:
                held_out.append((own, both, code))
            else:
                alone[own][code] += 1
                given[both][code] += 1

    def witten_bell(counts: Counter, code: int, lower: float) -> float:
        total, different = sum(counts.values()), len(counts)
        return (counts[code] + different * lower) / (total + different) if total else lower

    with_last, without = [], []
    for own, both, code in held_out:
        lower = witten_bell(Counter(alone[own]), code, 1 / size)
        without.append(-math.log(lower))
        with_last.append(-math.log(witten_bell(Counter(given[both]), code, lower)))
    return float(np.mean(with_last)), float(np.mean(without))
