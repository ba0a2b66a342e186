"""Batches of item ids for training, validation and test: no worker processes, no Python per sample.

The order of an epoch is a function of (seed, epoch), so a run resumed at an epoch boundary sees what an uninterrupted
one sees. Checkpoints are written at the ends of epochs, never inside: a run killed mid-epoch repeats that epoch from its
first batch. Samples are shuffled, sorted by history length inside windows of 50 batches, and the batches shuffled again:
little padding, and each batch is still a random part of the epoch. `batch_size` is global: each of W processes gets
its 1/W of every batch, and all get the same number of batches, so the number of processes does not change what an
optimizer step sees.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from lightning.pytorch import LightningDataModule

from tigerlite.config import InputError
from tigerlite.data.dataset import RecDataset
from tigerlite.data.prefix_batches import WINDOW, PrefixBatch, gather_prefix_batch, plan_chunks, plan_prefix_epoch
from tigerlite.data.sequences import Batch, gather_batch, history_lengths, row_batches, training_positions


class SequenceDataModule(LightningDataModule):
    """Training, validation and test batches of a prepared data set.

    The loaders are plain iterables and not DataLoaders: gathering a batch takes less time than sending it between
    processes.

    Args:
        dataset: the prepared data set.
        batch_size: samples per optimizer step over all processes.
        max_history: most recent items that a history keeps; TIGER (arXiv 2305.05065) uses 20.
        seed: of the order of samples and of the choice of validation users.
        n_validation_users: size of the seeded subset that validates; None = all.
        all_prefixes: train on chunks of sequences (`prefix_batches.py`) instead of one sample per target; `batch_size`
            counts targets either way.

    Raises:
        InputError: if the data set has no training samples, or a process would get no samples.
    """

    def __init__(
        self,
        dataset: RecDataset,
        *,
        batch_size: int,
        max_history: int = 20,
        seed: int = 0,
        n_validation_users: int | None = None,
        all_prefixes: bool = False,
    ) -> None:
        super().__init__()
        if batch_size < 1 or max_history < 1:
            raise InputError(f"batch_size={batch_size} and max_history={max_history} must be integers >= 1")
        self.dataset = dataset
        self.batch_size = batch_size
        self.max_history = max_history
        self.seed = seed
        self.epoch = 0
        self.train_rows = training_positions(dataset)
        if not len(self.train_rows):
            raise InputError("the data set has no training sample; users need 2 interactions in their training part")
        self._chunks = plan_chunks(dataset, max_history) if all_prefixes else None
        self._train_lengths = history_lengths(dataset, self.train_rows, max_history)
        self.validation_rows = _choose(dataset, n_validation_users, seed, max_history)

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next pass over the training batches is; inside a Trainer its epoch counts instead."""
        self.epoch = epoch

    def train_dataloader(self) -> "BatchSequence | PrefixBatchSequence":
        """Training batches of this process; each pass takes the order of the epoch at its start."""
        rank, world = self._place()
        if self.batch_size % world:
            raise InputError(f"batch_size={self.batch_size} must be a multiple of the {world} processes")
        if len(self.train_rows) < world:
            raise InputError(f"{len(self.train_rows)} training samples are too few for {world} processes; use fewer")

        if self._chunks is not None:
            return self._prefix_loader(self._chunks, rank, world)

        def parts() -> list[np.ndarray]:
            return [self.train_rows[batch[rank::world]] for batch in self._plan(self._current_epoch(), world)]

        return BatchSequence(
            self.dataset, self.max_history, parts, n_batches(len(self.train_rows), self.batch_size, world)
        )

    def _prefix_loader(self, chunks: np.ndarray, rank: int, world: int) -> "PrefixBatchSequence":
        if len(chunks) < world:
            raise InputError(f"{len(chunks)} training sequences are too few for {world} processes; use fewer")

        def plan() -> list[np.ndarray]:
            batches = plan_prefix_epoch(
                chunks, batch_size=self.batch_size, seed=self.seed, epoch=self._current_epoch(), world=world
            )
            return [chunks[batch] for batch in batches]

        return PrefixBatchSequence(self.dataset, plan, rank, world)

    def val_dataloader(self) -> "BatchSequence":
        """Validation batches of this process, as many on each, similar lengths together; no row is repeated.

        Histories are whole: a model cuts them to what it reads, exclusion needs all of them.
        """
        rank, world = self._place()
        rows = self.validation_rows
        if 0 < len(rows) < world:
            raise InputError(f"{len(rows)} validation users are too few for {world} processes; use fewer")
        # Equal parts rather than a short last one, which could leave a process without rows and ddp waiting for it.
        parts = (
            [part[rank::world] for part in np.array_split(rows, -(-len(rows) // self.batch_size))] if len(rows) else []
        )
        return BatchSequence(self.dataset, len(self.dataset.items), lambda: parts, len(parts))

    def test_batches(self, batch_size: int | None = None) -> Iterator[Batch]:
        """All test rows in their order, whatever the number of processes."""
        size = batch_size or self.batch_size
        return row_batches(self.dataset, self.dataset.test, batch_size=size, max_history=self.max_history)

    def padding_waste(self, epoch: int = 0) -> float:
        """Share of history positions in an epoch's batches that hold padding."""
        plan = [self._train_lengths[batch] for batch in self._plan(epoch, 1)]
        filled = sum(int(lengths.sum()) for lengths in plan)
        return 1 - filled / sum(len(lengths) * int(lengths.max()) for lengths in plan)

    def _plan(self, epoch: int, world: int) -> list[np.ndarray]:
        return plan_epoch(self._train_lengths, batch_size=self.batch_size, seed=self.seed, epoch=epoch, world=world)

    def _current_epoch(self) -> int:
        return self.epoch if self.trainer is None else self.trainer.current_epoch

    def _place(self) -> tuple[int, int]:
        """Rank of this process and number of processes."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)


class BatchSequence:
    """An iterable of batches with a length; `parts` is asked for the rows of each batch whenever a pass begins."""

    def __init__(
        self, dataset: RecDataset, max_history: int, parts: Callable[[], list[np.ndarray]], n_batches: int
    ) -> None:
        self._items, self._offsets = torch.from_numpy(dataset.items), torch.from_numpy(dataset.offsets)
        self._max_history = max_history
        self._parts = parts
        self._n_batches = n_batches

    def __len__(self) -> int:
        return self._n_batches

    def __iter__(self) -> Iterator[Batch]:
        for rows in self._parts():
            yield gather_batch(self._items, self._offsets, torch.from_numpy(rows), self._max_history)


class PrefixBatchSequence:
    """An iterable of batches of chunks; this process takes every `world`-th chunk of each."""

    def __init__(self, dataset: RecDataset, plan: Callable[[], list[np.ndarray]], rank: int, world: int) -> None:
        self._items = torch.from_numpy(dataset.items)
        self._plan = plan
        self._rank, self._world = rank, world

    def __len__(self) -> int:
        return len(self._plan())

    def __iter__(self) -> Iterator[PrefixBatch]:
        for chunks in self._plan():
            n_targets = int((chunks[:, 1] - chunks[:, 2]).sum()) / self._world
            yield gather_prefix_batch(self._items, torch.from_numpy(chunks[self._rank :: self._world]), n_targets)


def n_batches(n_samples: int, batch_size: int, world: int = 1) -> int:
    """Batches per epoch, the last one short; samples that would not give every process one are left out."""
    return n_samples // batch_size + (n_samples % batch_size >= world)


def plan_epoch(lengths: np.ndarray, *, batch_size: int, seed: int, epoch: int, world: int = 1) -> list[np.ndarray]:
    """Indices of the samples of every global batch of an epoch, in order.

    Every sample occurs once. The short last batch is cut to a multiple of `world`, so that the mean over processes is
    the mean over samples; fewer than `world` samples, other ones in each epoch, are left out.

    Args:
        lengths: (S,) history length of every sample.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    n_used = len(order) - len(order) % batch_size % world
    order = order[:n_used]
    window = np.arange(n_used) // (WINDOW * batch_size)
    # Equal lengths stay in shuffled order: lexsort is stable.
    order = order[np.lexsort((lengths[order], window))]
    batches = [order[start : start + batch_size] for start in range(0, n_used, batch_size)]
    return [batches[index] for index in generator.permutation(len(batches))]


def _choose(dataset: RecDataset, n_users: int | None, seed: int, max_history: int) -> np.ndarray:
    """(V', 2) validation rows of a seeded choice of users, sorted by history length, ties by user."""
    rows = dataset.validation
    if n_users is not None and n_users < len(rows):
        rows = rows[np.sort(np.random.default_rng(seed).permutation(len(rows))[:n_users])]
    return rows[np.argsort(history_lengths(dataset, rows, max_history), kind="stable")]
