"""Seeded catalogues and interactions with the shapes of a real data set: no quality can be read from them, only time.

Lengths follow Yelp (30,431 users of the LETTER split): 8.4 training interactions a user on average, median 5, 95th
percentile 25, which gives histories of 8.0 items on average when at most 20 are read. Here the training part of a user has
3 + floor(lognormal(1.15, 1.2)) interactions: mean 8.6, median 6, 95th percentile 25.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tigerlite.config import InputError, check
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import gather_batch
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What is read and decoded."""

    dataset: Path | None = None
    """Folder of a prepared data set whose sequences are used; null draws synthetic ones."""
    n_users: int = 4_000
    """Synthetic users."""
    n_items: int = 10_000
    """Items of the synthetic catalogue."""
    n_levels: int = 4
    """Codes per item."""
    codebook_size: int = 256
    """Codes per level."""
    max_history: int = 20
    """Items of the longest history."""
    seed: int = 0
    """Seed of sequences and codes."""

    def __post_init__(self) -> None:
        for name in ("n_users", "n_items", "n_levels", "codebook_size", "max_history"):
            value = self.__dict__[name]
            check(value >= 1, name, value, "an integer >= 1")

    def load(self) -> tuple[RecDataset, TokenizerBank]:
        """The sequences, and random codes for their items."""
        dataset = synthetic_dataset(self) if self.dataset is None else RecDataset.load(self.dataset)
        return dataset, synthetic_bank(dataset.n_items, self)


def synthetic_dataset(config: DataConfig) -> RecDataset:
    """Users with lengths as on Yelp, items uniform."""
    rng = np.random.default_rng(config.seed)
    training = 3 + np.floor(np.exp(rng.normal(1.15, 1.2, config.n_users))).astype(np.int64).clip(max=345)
    offsets = np.concatenate([[0], np.cumsum(training + 2)])
    users = np.arange(config.n_users)
    return RecDataset(
        items=rng.integers(1, config.n_items + 1, offsets[-1], dtype=np.int32),
        offsets=offsets,
        train_ends=offsets[1:] - 2,
        validation=np.stack([users, offsets[1:] - 2], axis=1),
        test=np.stack([users, offsets[1:] - 1], axis=1),
        user_ids=[""] * config.n_users,
        item_ids=[""] * config.n_items,
        titles=[""] * config.n_items,
    )


def synthetic_bank(n_items: int, config: DataConfig) -> TokenizerBank:
    """Distinct random paths for `n_items` items."""
    size, n_levels = config.codebook_size, config.n_levels
    if n_items * 2 > size**n_levels:
        raise InputError(f"n_items={n_items} is more than half of the {size}^{n_levels} paths; raise codebook_size")
    generator = torch.Generator().manual_seed(config.seed)
    drawn = torch.empty(0, dtype=torch.int64)
    while len(drawn) < n_items:
        drawn = torch.cat([drawn, torch.randint(size**n_levels, (n_items,), generator=generator)]).unique()
    drawn = drawn[torch.randperm(len(drawn), generator=generator)[:n_items]]
    paths = drawn[:, None] // size ** torch.arange(n_levels - 1, -1, -1) % size
    codes = torch.cat([torch.zeros(1, n_levels, dtype=torch.int64), paths])
    return TokenizerBank(codes[None], SemanticVocab((size,) * n_levels))


def histories_of_test_users(dataset: RecDataset, n_users: int, config: DataConfig) -> Tensor:
    """(B, T) histories of a seeded draw of test users, among them one of full length where there is one."""
    rng = np.random.default_rng(config.seed)
    rows = dataset.test[rng.permutation(len(dataset.test))[:n_users]]
    items, offsets = torch.from_numpy(dataset.items), torch.from_numpy(dataset.offsets)
    return gather_batch(items, offsets, torch.from_numpy(rows), config.max_history).histories
