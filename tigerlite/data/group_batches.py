"""The samples on which data groups are compared: a fixed, seeded choice of users, the same for every group.

Users are split into shards, so that a score's noise can be read from how it varies between them. A batch belongs to one
shard; every process takes its part of each.
"""

from collections.abc import Iterator

import numpy as np
import torch

from tigerlite.config import InputError
from tigerlite.data.dataset import RecDataset
from tigerlite.data.prefix_batches import PrefixBatch, gather_prefix_batch, plan_chunks
from tigerlite.data.sequences import Batch, gather_batch, training_positions

Shards = list[tuple[int, np.ndarray]]


class GroupBatches:
    """Training and validation batches of some users, shard by shard.

    Args:
        dataset: the prepared data set.
        batch_size: training targets, or validation users, per batch over all processes.
        max_history: most recent items of a history.
        all_prefixes: give training chunks whose prefixes are all targets, instead of a sample per target.
        train_share: share of the users whose training part is used, in (0, 1].
        validation_share: share of the users with a validation target that are used, in (0, 1].
        n_shards: S.
        seed: of the choice.

    Raises:
        InputError: if nothing to train or validate on is left.
    """

    def __init__(
        self,
        dataset: RecDataset,
        *,
        batch_size: int,
        max_history: int,
        all_prefixes: bool,
        train_share: float = 1.0,
        validation_share: float = 1.0,
        n_shards: int = 20,
        seed: int = 0,
    ) -> None:
        self.n_shards = n_shards
        self._max_history = max_history
        self._all_prefixes = all_prefixes
        self._items, self._offsets = torch.from_numpy(dataset.items), torch.from_numpy(dataset.offsets)
        shard = _shards(len(dataset.offsets) - 1, train_share, n_shards, seed)
        if all_prefixes:
            rows = plan_chunks(dataset, max_history)
            users = np.searchsorted(dataset.offsets, rows[:, 0], side="right") - 1
            lengths, targets = rows[:, 1] - rows[:, 0], rows[:, 1] - rows[:, 2]
            per_batch = max(1, int(batch_size / max(targets.mean(), 1))) if len(rows) else 1
            self.n_epoch_targets = int(targets.sum())
        else:
            rows = training_positions(dataset)
            users, per_batch = rows[:, 0], batch_size
            lengths = np.minimum(rows[:, 1] - dataset.offsets[users], max_history)
            self.n_epoch_targets = len(rows)
        self._train = _cut(rows, shard[users], lengths, per_batch, n_shards)
        rows = dataset.validation
        chosen = np.full(len(dataset.offsets) - 1, -1)
        chosen[rows[:, 0]] = _shards(len(rows), validation_share, n_shards, seed + 1)
        lengths = np.minimum(rows[:, 1] - dataset.offsets[rows[:, 0]], max_history)
        self._validation = _cut(rows, chosen[rows[:, 0]], lengths, batch_size, n_shards)
        for name, batches in (("training", self._train), ("validation", self._validation)):
            if not batches:
                raise InputError(f"no {name} samples are left to compare data groups on; raise the share of users")

    def train(self, rank: int = 0, world: int = 1) -> Iterator[tuple[int, Batch | PrefixBatch]]:
        """Shard and batch, this process's part of each; parts without a row are left out."""
        for shard, rows in self._train:
            mine = torch.from_numpy(rows[rank::world])
            if not len(mine):
                continue
            if self._all_prefixes:
                yield shard, gather_prefix_batch(self._items, mine, float((mine[:, 1] - mine[:, 2]).sum()))
            else:
                yield shard, gather_batch(self._items, self._offsets, mine, self._max_history)

    def validation(self, rank: int = 0, world: int = 1) -> Iterator[tuple[int, Batch]]:
        """Shard and batch of validation targets with their histories."""
        for shard, rows in self._validation:
            if len(rows[rank::world]):
                mine = torch.from_numpy(rows[rank::world])
                yield shard, gather_batch(self._items, self._offsets, mine, self._max_history)


def _shards(n: int, share: float, n_shards: int, seed: int) -> np.ndarray:
    """(n,) shard of each, -1 where it is not chosen."""
    order = np.random.default_rng([seed, n]).permutation(n)[: max(1, round(share * n))]
    shard = np.full(n, -1)
    shard[order] = np.arange(len(order)) % n_shards
    return shard


def _cut(rows: np.ndarray, shard: np.ndarray, lengths: np.ndarray, size: int, n_shards: int) -> Shards:
    """Batches of at most `size` rows of one shard, similar lengths together."""
    batches = []
    for number in range(n_shards):
        inside = np.flatnonzero(shard == number)
        inside = inside[np.argsort(lengths[inside], kind="stable")]
        batches += [(number, rows[inside[start : start + size]]) for start in range(0, len(inside), size)]
    return batches
