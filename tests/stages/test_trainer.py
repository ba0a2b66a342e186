"""The Trainer: launcher settings win, missing hardware is one line, checkpoints are what they are called, Ctrl-C works."""

import csv
import logging
import os
import signal
import time
from pathlib import Path

import lightning
import pytest
import torch

from tigerlite.config import ConfigError, InputError
from tigerlite.stages.trainer import BEST, LAST, build_trainer, fit
from tigerlite.stages.trainer_config import Context, TrainerConfig
from tigerlite.tracking import FILE

CPU = TrainerConfig(accelerator="cpu", progress=False)
ERRORS = [5.0, 1.0, 3.0, 2.0]
"""The metric of each epoch; the second is the best."""


class Counting(lightning.LightningModule):
    """Adds one to its weight every epoch; logs a metric that is best in the second."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.epochs: list[int] = []
        self.automatic_optimization = False

    def train_dataloader(self):
        return _OneBatch()

    def training_step(self, batch, batch_idx):
        self.epochs.append(self.current_epoch)
        self.optimizers().step()
        with torch.no_grad():
            self.weight += 1
        self.log("fit/error", ERRORS[self.current_epoch], on_epoch=True, batch_size=1)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


class _OneBatch:
    def __len__(self):
        return 1

    def __iter__(self):
        yield torch.zeros(1)


def train(folder: Path, *, epochs: int = 4, mode: str = "min", module: Counting | None = None) -> Counting:
    module = module or Counting()
    trainer = build_trainer(
        Context(trainer=CPU), stage="fit", folder=folder, epochs=epochs, monitor="fit/error", mode=mode
    )
    fit(trainer, module, folder)
    return module


def stored(file: Path) -> tuple[int, float]:
    """Epoch and weight in a checkpoint."""
    checkpoint = torch.load(file, weights_only=True)
    return checkpoint["epoch"], checkpoint["state_dict"]["weight"].item()


def test_last_is_the_latest_epoch_and_best_the_one_with_the_best_metric(tmp_path):
    train(tmp_path)
    assert stored(tmp_path / LAST) == (3, 4.0)
    assert stored(tmp_path / BEST) == (1, 2.0)
    assert sorted(file.name for file in tmp_path.iterdir()) == [BEST, LAST, FILE]


def test_best_by_a_metric_that_should_rise(tmp_path):
    train(tmp_path, mode="max")
    assert stored(tmp_path / BEST) == (0, 1.0)


def test_a_second_fit_goes_on_after_the_last_epoch_and_remembers_the_best(tmp_path):
    assert train(tmp_path, epochs=2).epochs == [0, 1]
    assert train(tmp_path, epochs=4).epochs == [2, 3]
    assert stored(tmp_path / LAST) == (3, 4.0)
    assert stored(tmp_path / BEST) == (1, 2.0)
    assert train(tmp_path, epochs=4).epochs == []


def test_a_checkpoint_that_could_not_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    write = Path.write_bytes

    def run_full(file: Path, content) -> int:
        if Counting.at == 2:
            write(file, bytes(content)[:100])
            raise OSError(28, "No space left on device", str(file))
        return write(file, content)

    monkeypatch.setattr(Counting, "at", 0, raising=False)
    monkeypatch.setattr(Counting, "on_train_epoch_start", lambda self: setattr(Counting, "at", self.current_epoch))
    monkeypatch.setattr(Path, "write_bytes", run_full)
    with pytest.raises(OSError, match="No space left on device"):
        train(tmp_path)
    monkeypatch.undo()
    assert stored(tmp_path / LAST) == (1, 2.0)
    assert not list(tmp_path.glob("*.aside"))
    assert train(tmp_path).epochs == [2, 3]


def test_the_learning_curve_is_in_the_folder(tmp_path):
    train(tmp_path)
    with (tmp_path / FILE).open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["name"] == "fit/error_epoch"]
    assert [float(row["value"]) for row in rows] == ERRORS


def test_launcher_settings_win_over_the_config(monkeypatch):
    config = TrainerConfig(accelerator="gpu", devices=4, precision="32-true")
    for name, value in {"ACCELERATOR": "cpu", "DEVICES": "2", "PRECISION": "bf16-mixed", "STRATEGY": ""}.items():
        monkeypatch.setenv(f"LT_{name}", value)
    monkeypatch.delenv("LT_NUM_NODES", raising=False)
    resolved = {
        name: config.resolved(name) for name in ("accelerator", "devices", "precision", "strategy", "num_nodes")
    }
    assert resolved == {
        "accelerator": "cpu",
        "devices": 2,
        "precision": "bf16-mixed",
        "strategy": "auto",
        "num_nodes": 1,
    }


def test_a_launchers_precision_counts_in_the_fingerprint_and_its_devices_do_not(monkeypatch):
    before = TrainerConfig().result_fields()
    monkeypatch.setenv("LT_DEVICES", "2")
    assert TrainerConfig().result_fields() == before
    assert TrainerConfig(accumulate=4, checkpoint_minutes=1.0).result_fields() == before
    monkeypatch.setenv("LT_PRECISION", "bf16-mixed")
    assert TrainerConfig().result_fields() == {**before, "precision": "bf16-mixed"}


@pytest.mark.parametrize("name", ["devices", "num_nodes"])
def test_a_launcher_setting_that_is_no_number_is_one_line(monkeypatch, tmp_path, name):
    monkeypatch.setenv(f"LT_{name.upper()}", "many")
    flag = f"--{name.replace('_', '-')}=N"
    with pytest.raises(InputError, match=rf"LT_{name.upper()}='many' is not a number; give the launcher {flag}"):
        build_trainer(Context(trainer=CPU), stage="fit", folder=tmp_path, epochs=1)


@pytest.mark.parametrize(
    "changes",
    [{"accelerator": "tpu"}, {"accelerator": "abacus"}, {"strategy": "teleport"}]
    + ([] if torch.cuda.is_available() else [{"accelerator": "gpu"}]),
)
def test_hardware_that_is_not_there_is_one_line(tmp_path, changes):
    config = TrainerConfig(**{"accelerator": "cpu", "progress": False, **changes})
    ((name, value),) = changes.items()
    with pytest.raises(InputError, match=rf"trainer settings \(.*{name}={value}.*\) cannot be used here: ") as error:
        build_trainer(Context(trainer=config), stage="fit", folder=tmp_path, epochs=1)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"devices": 0}, "devices=0 is out of range; allowed: an integer >= 1"),
        ({"num_nodes": 0}, "num_nodes=0 is out of range"),
        ({"accumulate": 0}, "accumulate=0 is out of range; allowed: an integer >= 1"),
        ({"checkpoint_minutes": -1.0}, "checkpoint_minutes=-1.0 is out of range; allowed: a number >= 0"),
        ({"max_epochs": 0}, "max_epochs=0 is out of range; allowed: an integer >= 1, or null"),
        ({"precision": "fp32"}, "precision='fp32' is unknown; allowed: 32-true, bf16-mixed"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TrainerConfig(**settings)


def test_the_bound_on_epochs_only_lowers():
    assert TrainerConfig(max_epochs=3).epochs(20) == 3
    assert TrainerConfig(max_epochs=30).epochs(20) == 20
    assert TrainerConfig().epochs(20) == 20


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)  # Python runs signal handlers between two instructions


class Interrupted(Counting):
    """Is sent SIGINT in its third epoch, as a terminal does on Ctrl-C."""

    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 2:
            press_ctrl_c()


def test_ctrl_c_is_a_keyboard_interrupt_the_next_one_works_and_a_rerun_goes_on(tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, module=Interrupted())
    assert signal.getsignal(signal.SIGINT) is handler
    with pytest.raises(KeyboardInterrupt):
        press_ctrl_c()
    assert train(tmp_path).epochs == [2, 3]
    assert stored(tmp_path / LAST) == (3, 4.0)


def test_a_run_without_a_terminal_prints_plain_lines(tmp_path, caplog, capsys):
    caplog.set_level(logging.INFO, logger="tigerlite")
    train(tmp_path)
    assert [message.split("  ")[0] for message in caplog.messages] == [
        f"fit epoch {number}/4" for number in range(1, 5)
    ]
    assert capsys.readouterr().out == ""
