"""Items with the same codes: a digit more, or another code for all but the first.

`rank_digit` is TIGER's (arXiv 2305.05065, Section 3.1) with digits from 0. `nearest_free` moves an item as little as
possible in the tokenizer's space, `random_free` and `first_free` need no tokenizer. The first holder (lowest item id)
keeps its path. `sinkhorn_rounds.py` has LETTER's way, which spreads a group before the first free codes are taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tigerlite.config import InputError
from tigerlite.tokenizers.free_paths import FreePaths, Groups, group_paths, reassign
from tigerlite.tokenizers.space import AdditiveSpace, Space

COLLISIONS = ("rank_digit", "nearest_free", "random_free", "first_free", "sinkhorn_rounds", "none")

# Most items find a free code among the nearest few; the others ask for all of them.
_FIRST_CHOICES = 24


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


def resolved(codes: np.ndarray, codebook_sizes: Sequence[int], before: Groups) -> Resolved:
    """The result `codes`, described by the groups of items that there were before."""
    n_distinct = len(before.sizes)
    sizes = tuple(int(size) for size in codebook_sizes)
    return Resolved(codes, sizes, n_distinct, len(codes) - n_distinct, int(before.sizes.max()))


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
    groups = group_paths(codes, codebook_sizes)
    digits = digits_in(groups)
    largest = int(groups.sizes.max())
    if largest > max_digits:
        example = codes[np.argmax(groups.sizes[groups.path])].tolist()
        raise InputError(
            f"{largest} items share the codes {example}, more than tokenize.max_digits={max_digits}; raise it, use "
            f"tokenize.collisions=nearest_free, or give the items distinct texts"
        )
    extended = np.concatenate([codes.astype(np.int64), digits[:, None]], axis=1)
    return resolved(extended, (*codebook_sizes, largest), groups)


def digits_in(groups: Groups) -> np.ndarray:
    """(N,) place of every item among those that share its path, by item id from 0."""
    order = np.argsort(groups.path, kind="stable")
    starts = np.cumsum(groups.sizes) - groups.sizes
    digits = np.empty(len(groups.path), dtype=np.int64)
    digits[order] = np.arange(len(digits)) - np.repeat(starts, groups.sizes)
    return digits


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

    return nearest_free_in(codes, codebook_sizes, AdditiveSpace(latents, codebooks))


def nearest_free_in(codes: np.ndarray, codebook_sizes: Sequence[int], space: Space) -> Resolved:
    """`nearest_free` where distances are those of any space; row i of `codes` is the space's item i.

    Raises:
        InputError: if there are more items than code paths.
    """

    def preference(item: int, prefix: list[int]) -> np.ndarray:
        prefixes = np.array(prefix, dtype=np.int64)[None]
        return np.argsort(space.distances(np.array([item]), prefixes)[0], kind="stable")

    def first_choices(items: np.ndarray) -> np.ndarray:
        return space.first_choices(items, codes[items, :-1], _FIRST_CHOICES)

    groups = group_paths(codes, codebook_sizes)
    return resolved(reassign(codes, codebook_sizes, preference, first_choices), codebook_sizes, groups)


def random_free(codes: np.ndarray, codebook_sizes: Sequence[int], *, generator: np.random.Generator) -> Resolved:
    """Give every later holder of a path a random free code at the last level (then at the level before, and so on).

    Args:
        codes: (N, L).
        codebook_sizes: codes per level, L numbers.
        generator: draws the codes, item by item in id order.

    Raises:
        InputError: if there are more items than code paths.
    """

    def preference(item: int, prefix: list[int]) -> np.ndarray:
        return generator.permutation(int(codebook_sizes[len(prefix)]))

    groups = group_paths(codes, codebook_sizes)
    return resolved(reassign(codes, codebook_sizes, preference), codebook_sizes, groups)


def first_free(codes: np.ndarray, codebook_sizes: Sequence[int]) -> Resolved:
    """Give every later holder of a path the lowest free code at the last level (the reference of arXiv 2601.17787).

    Where all codes of the last level are taken, the item gets its own one back and the level before is scanned from 0,
    and so on upwards. The published code stays at that level for all items that follow, an oversight that is left out;
    where no single code can be changed, it stops, and the lowest free path that shares the longest prefix is taken here.
    Low codes become overused: on LETTER's Yelp identifiers code 0 of the last level has 1,308 of 20,033 items.

    Args:
        codes: (N, L).
        codebook_sizes: codes per level, L numbers.

    Raises:
        InputError: if there are more items than code paths.

    >>> first_free(np.array([[7, 0], [7, 0], [7, 1], [7, 0]]), (8, 4)).codes.tolist()
    [[7, 0], [7, 2], [7, 1], [7, 3]]
    """
    groups = group_paths(codes, codebook_sizes)
    free = FreePaths(codes[groups.first], codebook_sizes, n_items=len(codes))
    codes = codes.astype(np.int64)
    for item in np.flatnonzero(~groups.first):
        path = codes[item].tolist()
        scans = (free.scan(path, level) for level in reversed(range(len(path))))
        found = next((found for found in scans if found), None)
        codes[item] = found or free.search(path, lambda prefix: np.arange(codebook_sizes[len(prefix)]))
        free.add(codes[item].tolist())
    return resolved(codes, codebook_sizes, groups)


def keep_shared(codes: np.ndarray, codebook_sizes: Sequence[int]) -> Resolved:
    """Leave items with equal codes as they are; a path is then a bucket of items."""
    return resolved(codes.astype(np.int64), codebook_sizes, group_paths(codes, codebook_sizes))


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
