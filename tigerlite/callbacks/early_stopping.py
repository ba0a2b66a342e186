"""Early stopping that a resumed run respects."""

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping


class ResumableEarlyStopping(EarlyStopping):
    """Lightning's EarlyStopping, checked at the end of the training epoch; a run that had stopped does not train on.

    Lightning forgets on resuming that training had stopped: a run killed between its last epoch and the writing of its
    result would train one more epoch, and might end with another model than an uninterrupted run.
    """

    def __init__(self, monitor: str, *, patience: int, mode: str) -> None:
        super().__init__(monitor, patience=patience, mode=mode, check_on_train_epoch_end=True)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check after epochs that validated; patience counts validations, and before the first one there is no value."""
        if (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0:
            super().on_train_epoch_end(trainer, pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop at once where the restored state says that patience has run out."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True
