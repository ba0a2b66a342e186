"""Validation after the last epoch whatever the interval: an epoch that is not validated cannot be chosen."""

from lightning.pytorch import Callback, LightningModule, Trainer


class LastValidation(Callback):
    """Validates after the last epoch too where the interval between validations does not divide their number."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Shorten the interval for the last epoch."""
        if trainer.current_epoch + 1 == trainer.max_epochs:
            trainer.check_val_every_n_epoch = 1
