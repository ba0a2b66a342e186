"""Progress for logs: at most about a dozen plain lines per training stage, with rate and remaining time."""

import logging
import time

from lightning.pytorch import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)


class PlainProgress(Callback):
    """Logs the epoch, what was measured, steps/s and the remaining time after the first, the last and every n-th epoch."""

    def __init__(self, stage: str, lines: int = 10) -> None:
        self._stage = stage
        self._lines = lines
        self._started = 0.0
        self._first_epoch = 0
        self._first_step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock; a resumed run measures only what it does itself."""
        self._started = time.monotonic()
        self._first_epoch = trainer.current_epoch
        self._first_step = trainer.global_step

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log one line, sparsely."""
        epoch, n_epochs = trainer.current_epoch + 1, trainer.max_epochs or 0
        every = max(1, n_epochs // self._lines)
        if not trainer.is_global_zero or (epoch not in (1, n_epochs) and epoch % every):
            return
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = (trainer.global_step - self._first_step) / seconds
        remaining = seconds / (epoch - self._first_epoch) * (n_epochs - epoch)
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        shown = "  ".join(
            f"{name.removeprefix(self._stage + '/')} {value:.4g}" for name, value in sorted(values.items())
        )
        log.info("%s epoch %d/%d  %s  %.1f steps/s  ETA %ds", self._stage, epoch, n_epochs, shown, rate, remaining)
