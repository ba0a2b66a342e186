"""Checks that the configs of closed-form tokenizers share."""

from collections.abc import Sequence

from tigerlite.config import InputError, check


def check_levels(codebook_sizes: Sequence[int], *, whiten: int = 0, iterations: int = 1, seed: int) -> None:
    """Refuse sizes, directions, iterations and seeds out of range.

    Raises:
        ConfigError: at the first one.
    """
    sizes = list(codebook_sizes)
    check(len(sizes) >= 1, "codebook_sizes", sizes, "at least one level")
    check(all(size >= 1 for size in sizes), "codebook_sizes", sizes, "integers >= 1")
    check(whiten >= 0, "whiten", whiten, "an integer >= 0")
    check(iterations >= 1, "iterations", iterations, "an integer >= 1")
    check(seed >= 0, "seed", seed, "an integer >= 0")


def segment_width(n_columns: int, n_segments: int, *, section: str) -> int:
    """Columns of one of equal segments.

    Args:
        n_columns: what is divided: `whiten`, or the width of the embeddings.
        n_segments: one per level.
        section: of the config, for messages: `tokenize.pq`.

    Raises:
        InputError: if they do not divide.
    """
    if n_columns % n_segments:
        raise InputError(
            f"{n_columns} dimensions do not divide into the {n_segments} segments of {section}.codebook_sizes; set "
            f"{section}.whiten to a multiple of {n_segments}, or another number of levels"
        )
    return n_columns // n_segments
