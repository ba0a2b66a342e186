"""LETTER's way out of collisions (arXiv 2405.07314; the reference of arXiv 2601.17787 too): spread a group over the last level.

Up to `rounds` times, as long as items share a path, each group of items with equal codes is quantised again as one
batch: the levels before the last stay, the last is assigned by Sinkhorn, which uses the codes evenly. All members move,
the first too, and may meet others. Items of identical embeddings stay together, and a group of none but such where it is
(there, and in LETTER's code, rounding would decide). What is left takes the first free code (arXiv 2601.17787), where LETTER
leaves it shared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tigerlite.config import check
from tigerlite.tokenizers.collisions import Resolved, first_free, resolved
from tigerlite.tokenizers.free_paths import group_paths
from tigerlite.tokenizers.sinkhorn import balanced_codes
from tigerlite.tokenizers.space import Space

# Numbers in the score matrices of groups that are balanced at a time: what a core's cache holds.
_MAX_SCORES = 2**17


@dataclass(frozen=True, kw_only=True)
class SinkhornConfig:
    """Of the balanced assignment in collisions=sinkhorn_rounds."""

    rounds: int = 20
    """Most rounds (LETTER and arXiv 2601.17787)."""
    epsilon: float = 0.01
    """Softness: distances scaled to [-1, 1] are divided by it (0.01 in arXiv 2601.17787, 0.003 in LETTER)."""
    iterations: int = 100
    """Of rows and columns in turn (100 in arXiv 2601.17787, 50 in LETTER)."""

    def __post_init__(self) -> None:
        check(self.rounds >= 1, "rounds", self.rounds, "an integer >= 1")
        check(self.epsilon > 0, "epsilon", self.epsilon, "a number > 0")
        check(self.iterations >= 1, "iterations", self.iterations, "an integer >= 1")


def sinkhorn_rounds(codes: np.ndarray, codebook_sizes: Sequence[int], space: Space, config: SinkhornConfig) -> Resolved:
    """Spread every group of items with equal codes over the last level, then take first free codes.

    Args:
        codes: (N, L); row i is the space's item i.
        codebook_sizes: codes per level, L numbers.
        space: measures distances at the last level.
        config: rounds and softness.

    Raises:
        InputError: if there are more items than code paths.
    """
    before = group_paths(codes, codebook_sizes)
    codes, settled = codes.astype(np.int64), set()
    for _ in range(config.rounds):
        # A group that came out as it went in would do so in every round: its members are identical.
        groups = [group for group in _groups_of_many(codes, codebook_sizes) if tuple(group) not in settled]
        if not groups:
            break
        last = codes[:, -1].copy()
        for batch in _equally_large(groups, codebook_sizes[-1]):  # (G, B) rows of items
            last[batch] = _spread(batch, codes, space, config)
        stayed = [group for group in groups if (last[group] == codes[group, -1]).all()]
        settled.update(tuple(group) for group in stayed)
        codes[:, -1] = last
    return resolved(first_free(codes, codebook_sizes).codes, codebook_sizes, before)


def _groups_of_many(codes: np.ndarray, codebook_sizes: Sequence[int]) -> list[list[int]]:
    """Rows of the items of every path that several hold, ascending."""
    groups = group_paths(codes, codebook_sizes)
    many = groups.sizes > 1
    order = np.argsort(groups.path, kind="stable")
    order = order[many[groups.path[order]]]
    return [rows.tolist() for rows in np.split(order, np.cumsum(groups.sizes[many])[:-1]) if len(rows)]


def _equally_large(groups: list[list[int]], n_codes: int) -> list[np.ndarray]:
    """The groups as arrays (G, B), few enough in one for bounded memory."""
    by_size: dict[int, list[list[int]]] = {}
    for group in groups:
        by_size.setdefault(len(group), []).append(group)
    batches = []
    for size, same in by_size.items():
        n_groups = max(1, _MAX_SCORES // (size * n_codes))
        batches += [np.array(same[start : start + n_groups]) for start in range(0, len(same), n_groups)]
    return batches


def _spread(batch: np.ndarray, codes: np.ndarray, space: Space, config: SinkhornConfig) -> np.ndarray:
    items = batch.ravel()
    distances = space.distances(items, codes[items, :-1])
    distances = distances.reshape(*batch.shape, -1)
    scores = torch.from_numpy(distances)
    found = balanced_codes(scores, epsilon=config.epsilon, n_iterations=config.iterations).numpy()
    # The plan of equal items is even, and its largest entry a matter of rounding: they keep their code.
    equal = (distances == distances[:, :1]).all(axis=(1, 2))
    found[equal] = codes[batch[equal], -1]
    return found
