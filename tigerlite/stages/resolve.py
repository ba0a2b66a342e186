"""In stage `tokenize`: codes become unique identifiers, those of late items after all others'.

Late items are what `prepare.cold` holds out of training, and those for which `rank_digit` has no digit left. They are placed
as items that come after training are (`tokenizers/new_items.py`).
"""

import logging
from dataclasses import dataclass

import numpy as np

from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.tokenizers.collisions import (
    Resolved,
    digits_in,
    first_free,
    keep_shared,
    nearest_free_in,
    random_free,
    rank_digit,
    resolved,
)
from tigerlite.tokenizers.free_paths import group_paths
from tigerlite.tokenizers.new_items import place
from tigerlite.tokenizers.sinkhorn_rounds import sinkhorn_rounds
from tigerlite.tokenizers.space import SelectedSpace, Space, flat_space

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Coded:
    """Codes before collisions are resolved, and the space in which some resolutions measure distance."""

    codes: np.ndarray
    """(N, L), row i is item id i + 1."""
    codebook_sizes: tuple[int, ...]
    space: Space | None
    """None where there are no embeddings."""

    def of(self, rows: np.ndarray) -> "Coded":
        """The same of some items, `rows` (n,)."""
        space = None if self.space is None else SelectedSpace(self.space, rows)
        return Coded(self.codes[rows], self.codebook_sizes, space)


def resolve(config: TokenizeConfig, coded: Coded, late: np.ndarray | None = None) -> Resolved:
    """What `config.collisions` makes of the codes.

    Args:
        config: how.
        coded: of N items.
        late: (N,) bool, items that get their paths after the others; None = none.

    Raises:
        InputError: if the items do not fit into the code paths.
    """
    codes, sizes = coded.codes, coded.codebook_sizes
    late = np.zeros(len(codes), dtype=bool) if late is None else late
    if config.collisions == "rank_digit":
        late = late | _without_digit(codes, sizes, late, config.max_digits)
    if config.collisions == "none" or not late.any():
        return _resolve(config, coded)
    first, then = np.flatnonzero(~late), np.flatnonzero(late)
    early = _resolve(config, coded.of(first))
    paths = np.empty((len(codes), early.codes.shape[1]), dtype=np.int64)
    paths[first] = early.codes
    space = coded.of(then).space or flat_space(len(then), sizes)
    paths[then] = place(early.codes, codes[then], early.codebook_sizes, space)
    return resolved(paths, early.codebook_sizes, group_paths(codes, sizes))


def _resolve(config: TokenizeConfig, coded: Coded) -> Resolved:
    codes, sizes = coded.codes, coded.codebook_sizes
    if config.collisions == "rank_digit":
        return rank_digit(codes, sizes, max_digits=config.max_digits)
    if config.collisions == "random_free":
        return random_free(codes, sizes, generator=np.random.default_rng(config.seed))
    if config.collisions == "first_free":
        return first_free(codes, sizes)
    if config.collisions == "sinkhorn_rounds":
        return sinkhorn_rounds(codes, sizes, coded.space, config.sinkhorn_rounds)
    if config.collisions == "none":
        return keep_shared(codes, sizes)
    return nearest_free_in(codes, sizes, coded.space)


def _without_digit(codes: np.ndarray, sizes: tuple[int, ...], late: np.ndarray, max_digits: int) -> np.ndarray:
    """(N,) bool, items of groups so large that `max_digits` leaves no digit for them."""
    rows = np.flatnonzero(~late)
    without = np.zeros(len(codes), dtype=bool)
    without[rows] = digits_in(group_paths(codes[rows], sizes)) >= max_digits
    if without.any():
        log.warning(
            "more items share their codes than tokenize.max_digits=%d: %d items get other codes, the nearest free ones; give the "
            "items distinct texts, or more codes",
            max_digits,
            int(without.sum()),
        )
    return without
