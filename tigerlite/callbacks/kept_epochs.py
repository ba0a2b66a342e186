"""Keeps the model as it is after some epochs, for stages that start from the middle of a training.

MTGRec's released lists (arXiv 2504.04400) fine-tune from several epochs of one pre-training, 90 to 160 of 200, where the
learning rate has not reached zero yet.
"""

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer


class KeptEpochs(Callback):
    """Saves the model in `folder/epoch-N` after the epochs N, counted from 1.

    Args:
        folder: of the stage.
        epochs: which ones.
    """

    def __init__(self, folder: Path, epochs: Sequence[int]) -> None:
        self._folder = folder
        self._epochs = frozenset(epochs)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save; an epoch that is cut off here is repeated by the next run, since its checkpoint is written after this."""
        epoch = trainer.current_epoch + 1
        if epoch in self._epochs and trainer.is_global_zero:
            pl_module.save(epoch_folder(self._folder, epoch))


def epoch_folder(folder: Path, epoch: int) -> Path:
    """Where a stage keeps the model after an epoch, counted from 1."""
    return folder / f"epoch-{epoch}"
