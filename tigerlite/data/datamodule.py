"""Batches of item ids for training, validation and test: no worker processes, no Python per sample.

The order of an epoch is a function of (seed, epoch), and a pass begins at the batch where the Trainer stands, so a run
resumed at the end of an epoch or inside one sees what an uninterrupted one sees. Samples are shuffled, sorted by history
length inside windows of 50 batches, and the batches shuffled again: little padding, and each batch is still a random part
of the epoch. `batch_size` is global: each of W processes gets its 1/W of every batch, and all get the same number of
batches, so the number of processes does not change what an optimizer step sees. Gradient accumulation is more processes,
one after the other: with A passes per step a batch has W x A parts, of which each process takes A in turn.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule

from tigerlite.config import InputError
from tigerlite.data.batch_sequence import BatchSequence
from tigerlite.data.dataset import RecDataset
from tigerlite.data.epoch_plan import n_batches, plan_epoch
from tigerlite.data.prefix_batches import (
    PrefixBatch,
    gather_prefix_batch,
    n_prefix_batches,
    plan_chunks,
    plan_prefix_epoch,
)
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
        accumulate: passes per optimizer step; each holds 1/accumulate of this process's share of `batch_size`. Give the
            Trainer the same number (`accumulate_grad_batches`).
        with_times: put the times of interactions into training and validation batches, where the data have them.

    Raises:
        InputError: if the data set has no training samples, or a pass would get no samples.
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
        accumulate: int = 1,
        with_times: bool = False,
    ) -> None:
        super().__init__()
        if batch_size < 1 or max_history < 1:
            raise InputError(f"batch_size={batch_size} and max_history={max_history} must be integers >= 1")
        if accumulate < 1:
            raise InputError(f"accumulate={accumulate} must be an integer >= 1")
        self.dataset = dataset
        self.batch_size = batch_size
        self.max_history = max_history
        self.seed = seed
        self.accumulate = accumulate
        self.epoch = 0
        read = with_times and dataset.times is not None
        self._times = torch.from_numpy(dataset.times) if read else None
        self.train_rows = training_positions(dataset)
        if not len(self.train_rows):
            raise InputError("the data set has no training sample; users need 2 interactions in their training part")
        self._chunks = plan_chunks(dataset, max_history) if all_prefixes else None
        self._train_lengths = history_lengths(dataset, self.train_rows, max_history)
        self.validation_rows = _choose(dataset, n_validation_users, seed, max_history)

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next pass over the training batches is; inside a Trainer its epoch counts instead."""
        self.epoch = epoch

    def train_dataloader(self) -> "BatchSequence[Any, Batch] | BatchSequence[Any, PrefixBatch]":
        """Training batches of this process, one per pass; the order is that of the epoch in which they are first asked for."""
        rank, world = self._place()
        n_parts = world * self.accumulate
        passes = "" if self.accumulate == 1 else f" x {self.accumulate} passes per step"
        if self.batch_size % n_parts:
            raise InputError(f"batch_size={self.batch_size} must be a multiple of the {world} processes{passes}")
        n_rows = len(self.train_rows) if self._chunks is None else len(self._chunks)
        if n_rows < n_parts:
            kind = "samples" if self._chunks is None else "sequences"
            raise InputError(f"{n_rows} training {kind} are too few for {world} processes{passes}; use fewer")
        mine = [number * world + rank for number in range(self.accumulate)]
        if self._chunks is not None:
            return self._prefix_loader(self._chunks, mine, n_parts)

        def parts() -> list[np.ndarray]:
            plan = self._plan(self._current_epoch(), n_parts)
            return [self.train_rows[batch[part::n_parts]] for batch in plan for part in mine]

        n_steps = n_batches(len(self.train_rows), self.batch_size, n_parts)
        gather = _gatherer(self.dataset, self.max_history, self._times)
        return BatchSequence(parts, gather, n_steps * self.accumulate, begin=self._batches_done)

    def _prefix_loader(
        self, chunks: np.ndarray, mine: list[int], n_parts: int
    ) -> "BatchSequence[tuple[np.ndarray, float], PrefixBatch]":
        items = torch.from_numpy(self.dataset.items)
        n_targets = chunks[:, 1] - chunks[:, 2]

        def parts() -> list[tuple[np.ndarray, float]]:
            batches = plan_prefix_epoch(
                chunks, batch_size=self.batch_size, seed=self.seed, epoch=self._current_epoch(), world=n_parts
            )
            # Every part counts its share of the whole batch's targets, whatever it holds itself.
            return [
                (chunks[batch[part::n_parts]], int(n_targets[batch].sum()) / n_parts)
                for batch in batches
                for part in mine
            ]

        def gather(part: tuple[np.ndarray, float]) -> PrefixBatch:
            return gather_prefix_batch(items, torch.from_numpy(part[0]), part[1], self._times)

        n_steps = n_prefix_batches(int(n_targets.sum()), len(chunks), self.batch_size, n_parts)
        return BatchSequence(parts, gather, n_steps * self.accumulate, begin=self._batches_done)

    def val_dataloader(self) -> "BatchSequence[np.ndarray, Batch]":
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
        gather = _gatherer(self.dataset, len(self.dataset.items), self._times)
        return BatchSequence(lambda: parts, gather, len(parts))

    def test_batches(self, batch_size: int | None = None) -> Iterator[Batch]:
        """All test rows in their order, whatever the number of processes."""
        size = batch_size or self.batch_size
        return row_batches(self.dataset, self.dataset.test, batch_size=size, max_history=self.max_history)

    def padding_waste(self, epoch: int = 0) -> float:
        """Share of history positions in an epoch's batches that hold padding."""
        plan = [self._train_lengths[batch] for batch in self._plan(epoch, 1)]
        filled = sum(int(lengths.sum()) for lengths in plan)
        return 1 - filled / sum(len(lengths) * int(lengths.max()) for lengths in plan)

    def state_dict(self) -> dict[str, int]:
        """How the batches are split, and how many of an unfinished epoch are done."""
        if self.trainer is None:
            return {}
        n_done = self.trainer.fit_loop.batch_idx + 1
        inside = n_done < self.trainer.num_training_batches
        return {"processes": self._place()[1], "accumulate": self.accumulate, "done": n_done if inside else 0}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Refuse to go on inside an epoch whose batches were split otherwise; Lightning knows how far it was.

        Raises:
            InputError: if the number of processes or of passes per step differs from the checkpoint's.
        """
        before = state_dict.get("processes", 1), state_dict.get("accumulate", 1)
        now = self._place()[1], self.accumulate
        if state_dict.get("done") and before != now:
            raise InputError(
                f"the checkpoint was written inside an epoch with {before[0]} processes x {before[1]} passes per step, "
                f"but there are {now[0]} x {now[1]}; continue with as many, or delete last.ckpt to start anew"
            )

    def _plan(self, epoch: int, world: int) -> list[np.ndarray]:
        return plan_epoch(self._train_lengths, batch_size=self.batch_size, seed=self.seed, epoch=epoch, world=world)

    def _current_epoch(self) -> int:
        return self.epoch if self.trainer is None else self.trainer.current_epoch

    def _batches_done(self) -> int:
        """Batches of the epoch that were trained on before the run was interrupted inside it."""
        if self.trainer is None or not self.trainer.fit_loop.restarted_mid_epoch:
            return 0
        return self.trainer.fit_loop.batch_idx + 1

    def _place(self) -> tuple[int, int]:
        """Rank of this process and number of processes."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)


def _gatherer(dataset: RecDataset, max_history: int, times: torch.Tensor | None) -> Callable[[np.ndarray], Batch]:
    """Makes batches of rows (B, 2)."""
    items, offsets = torch.from_numpy(dataset.items), torch.from_numpy(dataset.offsets)
    return lambda rows: gather_batch(items, offsets, torch.from_numpy(rows), max_history, times)


def _choose(dataset: RecDataset, n_users: int | None, seed: int, max_history: int) -> np.ndarray:
    """(V', 2) validation rows of a seeded choice of users, sorted by history length, ties by user."""
    rows = dataset.validation
    if n_users is not None and n_users < len(rows):
        rows = rows[np.sort(np.random.default_rng(seed).permutation(len(rows))[:n_users])]
    return rows[np.argsort(history_lengths(dataset, rows, max_history), kind="stable")]
