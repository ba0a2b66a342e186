"""Random identifiers: the control. What a recommender reaches with them, it does not owe to what the codes mean.

Paths are drawn uniformly and without replacement, so no two items collide as long as there are as many paths as items.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tigerlite.config import to_dict
from tigerlite.tokenizers.additive import META
from tigerlite.tokenizers.free_paths import group_paths
from tigerlite.tokenizers.levels import check_levels
from tigerlite.tokenizers.space import AdditiveSpace, flat_space


@dataclass(frozen=True, kw_only=True)
class RandomConfig:
    """Random identifiers."""

    codebook_sizes: tuple[int, ...] = (256, 256, 256)
    """Codes per level (three levels of 256, as TIGER)."""
    seed: int = 0
    """Of the draw."""

    def __post_init__(self) -> None:
        check_levels(self.codebook_sizes, seed=self.seed)


class RandomTokenizer:
    """Gives item i the i-th of a seeded sequence of paths; what an embedding holds is not looked at.

    The sequence depends on how many items are encoded at once. A new item gets the path of row 0, 1, ... of its own call, which
    is taken: its collision is resolved as any other.
    """

    def __init__(self, config: RandomConfig) -> None:
        self.config = config

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Codes per level."""
        return self.config.codebook_sizes

    def encode(self, embeddings: Tensor | np.ndarray) -> Tensor:
        """Codes (N, L) int64 for as many items as there are rows."""
        n_items, sizes = len(embeddings), self.codebook_sizes
        generator = np.random.default_rng(self.config.seed)
        n_paths = float(np.prod([float(size) for size in sizes]))
        if n_items * 2 > n_paths:
            # Most paths are used, and drawing until one is free would take long; beyond N paths they are used again.
            paths = np.concatenate([generator.permutation(int(n_paths)) for _ in range(-(-n_items // int(n_paths)))])
            return torch.from_numpy(np.stack(np.unravel_index(paths[:n_items], sizes), axis=1).astype(np.int64))
        codes = generator.integers(sizes, size=(n_items, len(sizes)))
        while not (first := group_paths(codes, sizes).first).all():
            codes[~first] = generator.integers(sizes, size=(int((~first).sum()), len(sizes)))
        return torch.from_numpy(codes)

    def space(self, embeddings: Tensor | np.ndarray) -> AdditiveSpace:
        """One in which all codes are equally near, so that the lowest free one is taken."""
        return flat_space(len(embeddings), self.codebook_sizes)

    def save(self, folder: Path) -> None:
        """Write the settings; they say everything."""
        meta = {"kind": "random", "config": to_dict(self.config)}
        (Path(folder) / META).write_text(json.dumps(meta, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "RandomTokenizer":
        """The tokenizer that `save` wrote."""
        settings = json.loads((Path(folder) / META).read_text())["config"]
        return cls(RandomConfig(codebook_sizes=tuple(settings["codebook_sizes"]), seed=settings["seed"]))


def fit(embeddings: Tensor | np.ndarray, config: RandomConfig) -> RandomTokenizer:
    """A tokenizer that has nothing to learn from embeddings (N, D); D may be 0.

    >>> len(fit(np.empty((9, 0)), RandomConfig(codebook_sizes=(3, 3))).encode(np.empty((9, 0))).unique(dim=0))
    9
    """
    return RandomTokenizer(config)
