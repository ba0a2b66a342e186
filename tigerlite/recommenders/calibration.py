"""Factors on the log-probabilities of decoding: from one per item and level to one per node of the trie, and their file."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tigerlite.recommenders.trie import Trie

FILE = "calibration.safetensors"


def node_factors(trie: Trie, codes: Tensor, factors: Tensor) -> Tensor:
    """(n_nodes,) factors of the trie's nodes; the root's is 1.

    Args:
        codes: (N + 1, L) that the trie was made of.
        factors: (N + 1, L); those of items that share a prefix are equal on it.

    >>> codes = torch.tensor([[0, 0], [1, 1], [0, 2], [1, 0]])
    >>> factors = torch.tensor([[0.0, 0.0], [0.5, 0.6], [0.7, 1.0], [0.5, 0.8]])
    >>> [round(float(factor), 1) for factor in node_factors(Trie(codes), codes, factors)]
    [1.0, 0.7, 0.5, 1.0, 0.8, 0.6]
    """
    order = trie.items.long()  # items in path order: the nodes of a depth are numbered in this order
    paths, values = codes[order], factors[order]
    new = torch.zeros(len(order), dtype=torch.bool, device=codes.device)
    new[0] = True
    levels = [factors.new_ones(1)]
    for level in range(trie.n_levels):
        new[1:] |= paths[1:, level] != paths[:-1, level]
        levels.append(values[new, level])
    return torch.cat(levels)


def save_calibration(factors: Tensor, folder: Path) -> None:
    """Write factors (N + 1, L) into an existing folder."""
    save_file({"factors": factors.cpu().contiguous()}, folder / FILE)


def load_calibration(folder: Path) -> Tensor | None:
    """The factors (N + 1, L) in a model's folder, None where decoding is not calibrated."""
    return load_file(folder / FILE)["factors"] if (folder / FILE).is_file() else None
