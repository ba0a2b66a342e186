"""Checkpoints inside epochs, so that a run killed in a long one loses minutes and not hours.

What makes the continuation equal to a run that was not interrupted is elsewhere: `SequenceDataModule` begins at the next
batch, `EpochSeed` gives the random streams back. Lightning's own timed checkpoint would also save between the passes of
one optimizer step, whose gradients are in no checkpoint.
"""

import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class MidEpochCheckpoint(Callback):
    """Writes a checkpoint after an optimizer step that is not an epoch's last, once enough time has passed.

    The end of an epoch has a checkpoint of its own and starts the clock anew.

    Args:
        file: what is written, again and again.
        minutes: between two checkpoints, > 0.
    """

    def __init__(self, file: Path, minutes: float) -> None:
        self._file = file
        self._seconds = 60 * minutes
        self._since = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._since = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write, if it is time."""
        n_done = batch_idx + 1
        if n_done % trainer.accumulate_grad_batches or n_done >= trainer.num_training_batches:
            return
        # Saving waits for all processes, so one clock decides for all of them.
        if trainer.strategy.broadcast(time.monotonic() - self._since >= self._seconds):
            trainer.save_checkpoint(self._file)
            self._since = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock anew."""
        self._since = time.monotonic()
