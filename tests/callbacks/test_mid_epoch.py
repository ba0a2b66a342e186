"""Checkpoints inside epochs: after whole steps, in good time; a run that goes on from one learns what it would have learnt."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from toy_catalogues import circle

from tigerlite.callbacks.mid_epoch import MidEpochCheckpoint
from tigerlite.data.dataset import RecDataset
from tigerlite.optim import OptimizerConfig
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.stages import recommend
from tigerlite.stages.recommend_config import RecommendConfig
from tigerlite.stages.trainer import LAST
from tigerlite.stages.trainer_config import Context, TrainerConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

ATTENTIONS = ("bidirectional", "causal")
STOP = (1, 7)
"""Epoch and batch that are not trained on before the interruption; an epoch has 14 steps."""


def dataset() -> RecDataset:
    """Forty-eight users; 168 training samples."""
    return circle(lengths=[5, 6, 7, 8] * 12)


def train(folder: Path, attention: str, *, batch_size: int = 12, dropout: float = 0.1, **trainer) -> TIGER:
    """Three epochs of a small TIGER; a run that was interrupted in the folder is continued."""
    folder.mkdir(parents=True, exist_ok=True)
    t5 = T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=16, n_heads=2, d_kv=8, d_ff=32, dropout=dropout)
    tiger = TIGERConfig(
        t5=t5,
        encoder_attention=attention,
        optimizer=OptimizerConfig(lr=5e-3, warmup_epochs=0.5),
        epochs=3,
        batch_size=batch_size,
        valid_beams=12,
    )
    places = torch.arange(12)
    codes = torch.stack([places // 3, places % 3], dim=1)
    bank = TokenizerBank(torch.cat([torch.zeros(1, 2, dtype=torch.int64), codes])[None], SemanticVocab((4, 3)))
    context = Context(trainer=TrainerConfig(accelerator="cpu", progress=False, **trainer))
    return recommend.run(RecommendConfig(tiger=tiger), dataset(), bank, out=folder, context=context)


def weights(model: TIGER) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.t5.parameters()])


class Training:
    """What `TIGER.training_step` was called with; at `stop` it raises, or kills the process, instead."""

    def __init__(self, stop: tuple[int, int] | None = None, kill: bool = False) -> None:
        self.seen: dict[tuple[int, int], torch.Tensor] = {}
        self.original = TIGER.training_step
        outer = self

        def training_step(self, batch, batch_idx):
            if (self.current_epoch, batch_idx) == stop:
                if kill:
                    os.kill(os.getpid(), signal.SIGKILL)
                raise RuntimeError("stopped")
            outer.seen[self.current_epoch, batch_idx] = batch[0]
            return outer.original(self, batch, batch_idx)

        TIGER.training_step = training_step

    def __enter__(self) -> "Training":
        return self

    def __exit__(self, *_) -> None:
        TIGER.training_step = self.original


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize(("accumulate", "next_batch"), [(1, 7), (2, 6)])
def test_a_run_stopped_inside_an_epoch_goes_on_with_the_next_batch_and_ends_the_same(
    tmp_path, attention, accumulate, next_batch
):
    always = {"accumulate": accumulate, "checkpoint_minutes": 1e-9}
    with Training() as whole:
        expected = train(tmp_path / "whole", attention, accumulate=accumulate)
    with Training(STOP), pytest.raises(RuntimeError, match="stopped"):
        train(tmp_path / "broken", attention, **always)
    with Training() as rest:
        resumed = train(tmp_path / "broken", attention, **always)
    assert list(rest.seen) == [place for place in whole.seen if place >= (STOP[0], next_batch)]
    assert len(rest.seen) == (14 * 2 * accumulate) - next_batch
    assert all(torch.equal(batch, whole.seen[place]) for place, batch in rest.seen.items())
    assert torch.equal(weights(resumed), weights(expected))
    first, second = (torch.load(tmp_path / name / LAST, weights_only=True) for name in ("whole", "broken"))
    assert first["global_step"] == second["global_step"] == 3 * 14
    assert first["lr_schedulers"] == second["lr_schedulers"]


def test_a_killed_process_goes_on_inside_its_epoch(tmp_path):
    command = [sys.executable, __file__, str(tmp_path / "killed"), "1"]
    assert subprocess.run(command, timeout=120, check=False).returncode == -signal.SIGKILL
    with Training() as rest:
        resumed = train(tmp_path / "killed", "causal")
    assert next(iter(rest.seen)) == STOP
    assert torch.equal(weights(resumed), weights(train(tmp_path / "whole", "causal")))


@pytest.mark.slow
def test_two_killed_processes_go_on_inside_their_epoch(tmp_path):
    command = [sys.executable, __file__, str(tmp_path / "killed"), "2"]
    assert subprocess.run(command, timeout=240, check=False, capture_output=True).returncode
    assert (tmp_path / "killed" / LAST).exists()
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    for name in ("killed", "whole"):
        command = [sys.executable, __file__, str(tmp_path / name), "2", "to the end"]
        subprocess.run(command, timeout=240, check=True, capture_output=True)
    killed, whole = (recommend.load(tmp_path / name) for name in ("killed", "whole"))
    assert torch.equal(weights(killed), weights(whole))


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_passes_per_step_change_rounding_only(tmp_path, monkeypatch, attention):
    # In double precision, since Adam divides gradients near zero by their size, rounding included; beams cannot be
    # ranked in it.
    monkeypatch.setattr(TIGER, "validation_items", lambda self, batch: batch.targets[:, None].expand(-1, 10))

    def trained(accumulate: int) -> dict:
        folder = tmp_path / str(accumulate)
        train(folder, attention, batch_size=24, dropout=0.0, precision="64-true", accumulate=accumulate)
        return torch.load(folder / LAST, weights_only=True)

    one = trained(1)
    for accumulate in (2, 3):
        several = trained(accumulate)
        torch.testing.assert_close(several["state_dict"], one["state_dict"], atol=1e-6, rtol=0)
        assert several["global_step"] == one["global_step"] == 3 * 7
        assert several["lr_schedulers"] == one["lr_schedulers"]


class Recorded:
    """A Trainer of 9 batches, 2 to a step, that counts what it is asked to save."""

    accumulate_grad_batches = 2
    num_training_batches = 9
    strategy = SimpleNamespace(broadcast=lambda decision: decision)

    def __init__(self) -> None:
        self.batch = -1
        self.saved: list[int] = []

    def save_checkpoint(self, file: Path) -> None:
        assert file == Path("last.ckpt")
        self.saved.append(self.batch)

    def run(self, callback: MidEpochCheckpoint) -> list[int]:
        for batch in range(self.num_training_batches):
            self.batch = batch
            callback.on_train_batch_end(self, None, None, None, batch)
        callback.on_train_epoch_end(self, None)
        return self.saved


def test_it_writes_after_whole_steps_but_not_after_the_last_one(monkeypatch):
    clock = iter(range(0, 10_000, 60))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    callback = MidEpochCheckpoint(Path("last.ckpt"), minutes=1e-3)
    callback.on_train_start(None, None)
    assert Recorded().run(callback) == [1, 3, 5, 7]


def test_it_waits_for_its_minutes_and_an_epochs_end_starts_them_anew(monkeypatch):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    callback = MidEpochCheckpoint(Path("last.ckpt"), minutes=10)
    callback.on_train_start(None, None)
    now = 599.0
    assert Recorded().run(callback) == []
    now = 1198.0
    assert Recorded().run(callback) == []
    now = 1800.0
    assert Recorded().run(callback) == [1]


if __name__ == "__main__":
    # Lightning's ddp starts this file again for the second process.
    folder, n_processes, *to_the_end = sys.argv[1:]
    several = {"devices": 2, "strategy": "ddp"} if n_processes == "2" else {}
    with Training(None if to_the_end else STOP, kill=True):
        train(Path(folder), "causal", checkpoint_minutes=1e-9, **several)
