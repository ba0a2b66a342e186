"""The last epoch is validated whatever the interval, also after an interruption."""

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader

from tigerlite.callbacks.last_validation import LastValidation

DATA = DataLoader(torch.ones(2, 1))


class Counting(LightningModule):
    """One weight; notes the epochs after which it was validated."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.validated = []

    def training_step(self, batch, index):
        return self.layer(batch).square().mean()

    def validation_step(self, batch, index):
        if index == 0:
            self.validated.append(self.current_epoch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def train(epochs, every, folder, resume=None):
    model = Counting()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        check_val_every_n_epoch=every,
        num_sanity_val_steps=0,
        callbacks=[LastValidation()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    trainer.fit(model, DATA, DATA, ckpt_path=resume, weights_only=True)
    trainer.save_checkpoint(folder / "last.ckpt")
    return model.validated


@pytest.mark.parametrize(
    ("epochs", "every", "expected"), [(5, 3, [2, 4]), (6, 3, [2, 5]), (2, 2, [1]), (3, 1, [0, 1, 2])]
)
def test_the_last_epoch_is_validated(tmp_path, epochs, every, expected):
    assert train(epochs, every, tmp_path) == expected


def test_it_is_after_an_interruption_too(tmp_path):
    train(1, 3, tmp_path)
    assert train(5, 3, tmp_path, tmp_path / "last.ckpt") == [2, 4]
