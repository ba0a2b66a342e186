"""The identifiers of a catalogue while their tokenizer still moves: rebuilt now and then, with as few changes as possible.

A label that changes makes the recommender unlearn it. UniGRec's released code renumbers every group of items with equal codes
at each rebuild, so that one item's flip changes the labels of others. Here an item keeps a code unless another is a given
number of times as likely (hysteresis), and the digit that tells it from others unless its own codes changed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, filterfalse

import numpy as np
import torch
from torch import Tensor

from tigerlite.config import InputError
from tigerlite.tokenizers.soft_quantizer import SoftQuantized
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE

# Items encoded at a time.
_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """A code table and how it differs from the one before."""

    codes: Tensor
    """(N, L + 1) int64, L codes and the digit."""
    changed: tuple[float, ...]
    """Per level of the L + 1, share of the items whose code changed."""


def kept_codes(quantized: SoftQuantized, old: Tensor, temperature: Tensor, hysteresis: float) -> Tensor:
    """Codes (B, L): the likeliest where it is more than `hysteresis` times as likely as the old one, else the old.

    Args:
        quantized: of B items.
        old: (B, L).
        temperature: tau of the mixtures.
        hysteresis: >= 1; 1 takes the likeliest always.
    """
    levels = []
    for level, distances in enumerate(quantized.distances):
        new = quantized.codes[:, level]
        best, held = (distances.gather(1, codes[:, None])[:, 0] for codes in (new, old[:, level]))
        # p_new / p_old = exp((d_old - d_new) / tau)
        flips = (held - best) / temperature > np.log(hysteresis)
        levels.append(torch.where(flips, new, old[:, level]))
    return torch.stack(levels, dim=1)


@torch.no_grad()
def tokenizer_codes(tokenizer: SoftRQVAE, inputs: Tensor, old: Tensor, hysteresis: float) -> Tensor:
    """Codes (N, L) of normalised inputs (N, D) at the tokenizer's temperature, with hysteresis about the old ones (N, L)."""
    parts = zip(inputs.split(_CHUNK), old.split(_CHUNK), strict=True)
    tau = tokenizer.quantizer.temperature
    return torch.cat([kept_codes(tokenizer.quantize(rows), codes, tau, hysteresis) for rows, codes in parts])


def rebuilt_table(old: Tensor, codes: Tensor, codebook_sizes: Sequence[int]) -> Rebuilt:
    """Codes with digits: items whose codes stay keep their digit, the others get the lowest free ones in item order.

    Args:
        old: (N, L + 1), the table before.
        codes: (N, L).
        codebook_sizes: of the L + 1 levels.

    Raises:
        InputError: if more items share their codes than there are digits.

    >>> old = torch.tensor([[3, 0], [3, 1], [4, 0]])
    >>> rebuilt_table(old, torch.tensor([[4], [3], [4]]), (8, 4)).codes.tolist()
    [[4, 1], [3, 1], [4, 0]]
    """
    before, new = old.cpu().numpy(), codes.cpu().numpy()
    moved = (before[:, :-1] != new).any(axis=1)
    _, paths = np.unique(new, axis=0, return_inverse=True)
    paths = paths.reshape(-1)
    digits = before[:, -1].copy()
    free = _free_digits(paths, digits, moved)
    for item in np.flatnonzero(moved):
        digits[item] = next(free[paths[item]])
    largest = int(digits.max()) + 1
    if largest > codebook_sizes[-1]:
        n_sharing = int(np.bincount(paths).max())
        raise InputError(
            f"{n_sharing} items share their codes {new[int(np.argmax(digits))].tolist()}, which takes {largest} digits, but "
            f"unigrec.digits={codebook_sizes[-1]}; raise it, lower unigrec.tokenizer_lr, or raise "
            f"tokenize.soft_rqvae.uniformity_weight"
        )
    table = np.concatenate([new, digits[:, None]], axis=1)
    changed = tuple((table != before).mean(axis=0).tolist())
    return Rebuilt(torch.from_numpy(table), changed)


def _free_digits(paths: np.ndarray, digits: np.ndarray, moved: np.ndarray) -> dict[int, Iterator[int]]:
    """Per path that an item moves to, its free digits in ascending order."""
    taken: dict[int, set[int]] = {path: set() for path in set(paths[moved].tolist())}
    for item in np.flatnonzero(~moved & np.isin(paths, list(taken))):
        taken[int(paths[item])].add(int(digits[item]))
    return {path: filterfalse(held.__contains__, count()) for path, held in taken.items()}
