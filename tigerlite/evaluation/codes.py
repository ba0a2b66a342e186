"""How well a code book is used: per level, from codes alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tigerlite.config import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class LevelHealth:
    """Use of one level's codes."""

    size: int
    """Codes of the level, K."""
    used: int
    """Codes that some item has."""
    dead: int
    """Codes that no item has."""
    perplexity: float
    """exp of the entropy (nats) of the codes' shares: 1 if all items have one code, K if all codes are used alike."""


def level_health(codes: np.ndarray, size: int) -> LevelHealth:
    """Health of one level's codes (N,) out of `size`.

    >>> level_health(np.array([0, 0, 1, 1]), 4)
    LevelHealth(size=4, used=2, dead=2, perplexity=2.0)
    """
    counts = np.bincount(codes, minlength=size)
    shares = counts[counts > 0] / len(codes)
    perplexity = float(np.exp(-(shares * np.log(shares)).sum()))
    return LevelHealth(size, len(shares), size - len(shares), perplexity)


def codes_health(codes: np.ndarray, codebook_sizes: Sequence[int]) -> list[LevelHealth]:
    """Health of every level of codes (N, L)."""
    return [level_health(codes[:, level], size) for level, size in enumerate(codebook_sizes)]


def collision_rate(codes: np.ndarray) -> float:
    """Share of items whose codes (N, L) an earlier item has already: (N - distinct) / N (MTGRec, arXiv 2504.04400).

    >>> collision_rate(np.array([[1, 2], [1, 2], [1, 3], [1, 2]]))
    0.5
    """
    return 1 - len(np.unique(codes, axis=0)) / len(codes)


def plot_codebook_usage(codes: np.ndarray, codebook_sizes: Sequence[int]) -> "Figure":
    """A panel per level: items per code, most used first, with the perplexity in the title.

    Args:
        codes: (N, L).
        codebook_sizes: codes per level, L numbers.

    Raises:
        InputError: without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise InputError("plots need matplotlib: pip install 'tigerlite[plots]'") from None

    levels = codes_health(codes, codebook_sizes)
    figure = Figure(figsize=(3.2 * len(levels), 2.8), layout="constrained")
    for level, (axes, health) in enumerate(zip(figure.subplots(1, len(levels), squeeze=False)[0], levels, strict=True)):
        counts = np.sort(np.bincount(codes[:, level], minlength=health.size))[::-1]
        axes.bar(np.arange(health.size), counts, width=1.0)
        axes.axhline(len(codes) / health.size, color="black", linewidth=0.8, linestyle="--")
        axes.set_title(f"level {level + 1}: perplexity {health.perplexity:.0f} of {health.size}", fontsize=9)
        axes.set_xlabel("codes, most used first")
    figure.axes[0].set_ylabel("items (dashed: even use)")
    return figure
