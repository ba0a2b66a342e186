"""Data sets and identifiers of a few items, for tests that train; random where that is asked for, and equal in every process."""

from collections.abc import Sequence

import numpy as np
import torch

from tigerlite.data.dataset import RecDataset
from tigerlite.data.splits import leave_one_out
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab


def circle(
    n_users: int = 40, *, n_items: int = 12, longest: int = 8, lengths: Sequence[int] | None = None
) -> RecDataset:
    """Users who walk through the catalogue in order, each from another item; the last two items are held out.

    Args:
        n_users: without `lengths`.
        n_items: in the circle.
        longest: history, without `lengths`; the shortest has 5 items.
        lengths: of the users' histories.
    """
    rng = np.random.default_rng(1)
    walked = rng.integers(5, longest + 1, size=n_users) if lengths is None else np.array(lengths)
    offsets = np.concatenate([[0], np.cumsum(walked)]).astype(np.int64)
    items = np.concatenate([(np.arange(n) + rng.integers(n_items)) % n_items + 1 for n in walked]).astype(np.int32)
    users = np.arange(len(walked))
    return RecDataset(
        items=items,
        offsets=offsets,
        train_ends=offsets[1:] - 2,
        validation=np.stack([users, offsets[1:] - 2], axis=1),
        test=np.stack([users, offsets[1:] - 1], axis=1),
        user_ids=[f"u{user}" for user in users],
        item_ids=[f"i{item}" for item in range(1, n_items + 1)],
        titles=[f"Item {item}" for item in range(1, n_items + 1)],
    )


def random_histories(n_users: int, n_items: int, lengths: tuple[int, int]) -> RecDataset:
    """Users of histories of at least `lengths[0]` and less than `lengths[1]` items, any items."""
    generator = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(generator.integers(*lengths, n_users))]).astype(np.int64)
    split = leave_one_out(offsets)
    return RecDataset(
        items=generator.integers(1, n_items + 1, offsets[-1]).astype(np.int32),
        offsets=offsets,
        train_ends=split.train_ends,
        validation=split.validation,
        test=split.test,
        user_ids=[f"u{user}" for user in range(n_users)],
        item_ids=[f"i{item}" for item in range(1, n_items + 1)],
        titles=[f"Item {item}" for item in range(1, n_items + 1)],
    )


def grid() -> TokenizerBank:
    """Twelve items on a grid of 4 x 3 codes."""
    items = torch.arange(12)
    codes = torch.stack([items // 3, items % 3], dim=1)
    return TokenizerBank(torch.cat([torch.zeros(1, 2, dtype=torch.int64), codes])[None], SemanticVocab((4, 3)))


def clusters(n_items: int, *, n_equal: int) -> ItemEmbeddings:
    """Embeddings (n_items, 10) in 12 clusters of similar items; the last `n_equal` items equal the first."""
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(12, 10))[np.arange(n_items) % 12] + 0.2 * generator.normal(size=(n_items, 10))
    matrix[-n_equal:] = matrix[0]
    return ItemEmbeddings(matrix.astype(np.float32))


def one_user(n_items: int, *, n_held_out: int) -> RecDataset:
    """One user who saw every item in order; the last `n_held_out` are not trained on."""
    end = n_items - n_held_out
    return RecDataset(
        items=np.arange(1, n_items + 1, dtype=np.int32),
        offsets=np.array([0, n_items]),
        train_ends=np.array([end]),
        validation=np.array([[0, end]]),
        test=np.array([[0, end + 1]]),
        user_ids=["user"],
        item_ids=[str(number) for number in range(n_items)],
        titles=[""] * n_items,
    )
