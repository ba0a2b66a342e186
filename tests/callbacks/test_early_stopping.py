"""Early stopping: a run that had stopped does not go on when it is resumed."""

from pathlib import Path
from types import SimpleNamespace

import lightning
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from tigerlite.callbacks.early_stopping import ResumableEarlyStopping
from tigerlite.stages.trainer import fit


class NeverBetter(lightning.LightningModule):
    """A module whose metric rises every epoch, although lower is better."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.epochs = []

    def train_dataloader(self):
        return _OneBatch()

    def training_step(self, batch):
        self.log("test/metric", float(self.current_epoch), on_epoch=True, batch_size=1)
        return self.weight.sum()

    def on_train_epoch_start(self):
        self.epochs.append(self.current_epoch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class _OneBatch:
    def __len__(self):
        return 1

    def __iter__(self):
        yield torch.zeros(1)


def train(folder: Path, *, epochs: int = 20, patience: int = 3) -> list[int]:
    """The epochs that ran, going on from what is in `folder`."""
    module = NeverBetter()
    stopping = ResumableEarlyStopping("test/metric", patience=patience, mode="min")
    every_epoch = ModelCheckpoint(folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        callbacks=[stopping, every_epoch],
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    fit(trainer, module, folder)
    return module.epochs


def test_patience_counts_epochs_without_improvement(tmp_path):
    assert train(tmp_path) == [0, 1, 2, 3]


def test_a_stopped_run_trains_no_further_epoch_when_resumed(tmp_path):
    train(tmp_path)
    assert train(tmp_path) == []


def test_an_interrupted_run_goes_on_counting(tmp_path):
    assert train(tmp_path, epochs=3) == [0, 1, 2]
    assert train(tmp_path) == [3]


def test_patience_counts_validations_where_only_some_epochs_validate(monkeypatch):
    checked = []
    monkeypatch.setattr(
        EarlyStopping, "on_train_epoch_end", lambda self, trainer, module: checked.append(trainer.current_epoch)
    )
    stopping = ResumableEarlyStopping("test/metric", patience=3, mode="min")
    for epoch in range(6):
        stopping.on_train_epoch_end(SimpleNamespace(current_epoch=epoch, check_val_every_n_epoch=2), None)
    assert checked == [1, 3, 5]
