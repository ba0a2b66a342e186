"""Progress on a terminal: one bar per training stage, over all its epochs, with rate, remaining time and the latest numbers."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

SHOWN = 3
"""Metrics beside the bar; more would not fit a line."""


class Rate(ProgressColumn):
    """Steps per second: optimiser steps, batches, whatever the bar counts."""

    def render(self, task: Task) -> Text:
        """The recent rate, dashes until there is one."""
        return Text("--.- steps/s" if task.speed is None else f"{task.speed:.1f} steps/s", style="progress.data.speed")


class TerminalProgress(Callback):
    """A bar that counts optimiser steps; Lightning's own starts anew with every epoch and leaves a line behind.

    Args:
        stage: what the bar is called; also the prefix that metric names lose.
        console: where to draw; None is the terminal.
    """

    def __init__(self, stage: str, console: Console | None = None) -> None:
        self._stage = stage
        self._console = console
        self._progress: Progress | None = None
        self._task: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the bar, at the place where a resumed run begins."""
        if not trainer.is_global_zero:
            return
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            Rate(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=self._console,
        )
        self._progress.start()
        total = int(trainer.estimated_stepping_batches)
        self._task = self._progress.add_task(self._stage, total=total, completed=trainer.global_step, numbers="")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance."""
        if self._progress is not None:
            self._progress.update(self._task, completed=trainer.global_step)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the epoch and what was measured."""
        if self._progress is None:
            return
        values = {name.removeprefix(f"{self._stage}/"): float(v) for name, v in trainer.callback_metrics.items()}
        # Losses and rankings first: a codebook's usage by level is in the report.
        order = sorted(values, key=lambda name: (name.startswith("level"), not name.startswith("valid"), name))
        numbers = "  ".join(f"{name} {values[name]:.4g}" for name in order[:SHOWN])
        epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        self._progress.update(self._task, description=f"{self._stage} {epoch}", numbers=numbers)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the finished line."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the terminal back."""
        self._stop()

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
