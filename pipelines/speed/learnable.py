"""Seeded interactions and embeddings that hold something to learn, so that quality in two precisions can be compared.

Items lie on a ring. Users walk along it in small steps and jump at random now and then; an item's embedding is a smooth
random function of its place, plus noise, so that codes made of embeddings are useful to predict the next item.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tigerlite.config import ConfigError, check
from tigerlite.data.dataset import RecDataset
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

JUMPS = 0.3
"""Share of steps that go anywhere; no model can foresee them."""
FREQUENCIES = 8
"""Waves around the ring in the fastest part of an embedding."""
NOISE = 0.3
"""Standard deviation of an embedding's noise; its signal has 1."""


@dataclass(frozen=True, kw_only=True)
class LearnableConfig:
    """What is learnt from."""

    dataset: Path | None = None
    """Folder of a prepared data set (a `prepare-...` folder); null walks along a ring."""
    embeddings: Path | None = None
    """Folder of its item embeddings (`encode-...`), given with `dataset`."""
    bank: Path | None = None
    """Folder of its identifiers (`tokenize-...`), given with `dataset` where identifiers are read."""
    n_users: int = 1_000
    """Users on the ring."""
    n_items: int = 256
    """Items on the ring."""
    width: int = 64
    """Width of the ring's embeddings."""
    seed: int = 0
    """Seed of walks and embeddings."""

    def __post_init__(self) -> None:
        for name, least in (("n_users", 1), ("n_items", 16), ("width", 1)):
            value = self.__dict__[name]
            check(value >= least, name, value, f"an integer >= {least}")
        for name in ("embeddings", "bank"):
            value = self.__dict__[name]
            if value is not None and self.dataset is None:
                raise ConfigError(f"{name}={value} belongs to a data set; set data.dataset too")

    def load_dataset(self) -> RecDataset:
        """The sequences."""
        return self._walks() if self.dataset is None else RecDataset.load(self.dataset)

    def load_embeddings(self) -> ItemEmbeddings:
        """One vector per item."""
        if self.dataset is None:
            return self._ring()
        if self.embeddings is None:
            raise ConfigError("data.dataset is given without its embeddings; set data.embeddings to the encode folder")
        return ItemEmbeddings.load(self.embeddings)

    def load_bank(self) -> TokenizerBank:
        """Identifiers; on the ring the place in base 16."""
        if self.dataset is None:
            places = torch.arange(self.n_items)
            n_levels = next(level for level in range(1, 20) if 16**level >= self.n_items)
            codes = torch.stack([places // 16**level % 16 for level in reversed(range(n_levels))], dim=1)
            codes = torch.cat([torch.zeros_like(codes[:1]), codes])
            return TokenizerBank(codes[None], SemanticVocab((16,) * n_levels))
        if self.bank is None:
            raise ConfigError("data.dataset is given without its identifiers; set data.bank to the tokenize folder")
        return TokenizerBank.load(self.bank)

    def _walks(self) -> RecDataset:
        rng = np.random.default_rng(self.seed)
        lengths = rng.integers(5, 16, self.n_users)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        steps = rng.integers(1, 4, offsets[-1])
        jumps = rng.random(offsets[-1]) < JUMPS
        jumps[offsets[:-1]] = True
        steps[jumps] = rng.integers(self.n_items, size=jumps.sum())
        users = np.arange(self.n_users)
        return RecDataset(
            items=(np.cumsum(steps) % self.n_items + 1).astype(np.int32),
            offsets=offsets,
            train_ends=offsets[1:] - 2,
            validation=np.stack([users, offsets[1:] - 2], axis=1),
            test=np.stack([users, offsets[1:] - 1], axis=1),
            user_ids=[str(user) for user in users],
            item_ids=[str(item) for item in range(self.n_items)],
            titles=[""] * self.n_items,
        )

    def _ring(self) -> ItemEmbeddings:
        rng = np.random.default_rng(self.seed)
        angles = 2 * np.pi * np.arange(self.n_items)[:, None] / self.n_items
        waves = rng.integers(1, FREQUENCIES + 1, self.width)
        signal = np.sqrt(2) * np.cos(waves * angles + rng.uniform(0, 2 * np.pi, self.width))
        return ItemEmbeddings((signal + NOISE * rng.normal(size=signal.shape)).astype(np.float32))
