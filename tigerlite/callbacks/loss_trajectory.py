"""The parts of a loss over optimizer steps, finer than epochs: how mixing coefficients move (arXiv 2601.17787, figure 5)."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

N_POINTS = 200


class LossTrajectory(Callback):
    """Logs the module's `training_parts()` as `STAGE/trajectory/NAME`, about 200 times in a training.

    Args:
        stage: prefix of the names.
    """

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._every = 1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Space the points over the planned steps."""
        self._every = max(int(trainer.estimated_stepping_batches) // N_POINTS, 1)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log after the last pass of every so-many-th step; the loss parts are this process's."""
        done = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if not done or trainer.global_step % self._every or trainer.logger is None:
            return
        parts = pl_module.training_parts()
        named = {f"{self._stage}/trajectory/{name}": float(value) for name, value in parts.items()}
        trainer.logger.log_metrics(named, trainer.global_step)
