"""Stage tokenize with soft codes: the stored temperature, a continued run, bad input, and two processes."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_catalogues import one_user

from tigerlite.config import ConfigError, InputError, from_dict
from tigerlite.data.dataset import RecDataset
from tigerlite.distributed import is_rank_zero, world_size
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.evaluation.curves import read_curves
from tigerlite.stages import tokenize
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.stages.train_soft_rqvae import AGREEMENT
from tigerlite.stages.trainer_config import Context, TrainerConfig
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE
from tigerlite.tokenizers.soft_training import SoftTraining

N_ITEMS = 96
SOFT = {
    "hidden_sizes": [16],
    "latent": 8,
    "codebook_sizes": [8, 8],
    "batch_size": 48,
    "epochs": 4,
    "warmup_epochs": 1.0,
}


def config(**settings) -> TokenizeConfig:
    return from_dict(TokenizeConfig, {"method": "soft_rqvae", "soft_rqvae": {**SOFT, **settings}})


def items() -> ItemEmbeddings:
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(12, 10))[np.arange(N_ITEMS) % 12] + 0.2 * generator.normal(size=(N_ITEMS, 10))
    return ItemEmbeddings(matrix)


def dataset() -> RecDataset:
    return one_user(N_ITEMS, n_held_out=2)


def run(out: Path, settings: TokenizeConfig | None = None, **trainer):
    out.mkdir(parents=True, exist_ok=True)
    context = Context(trainer=TrainerConfig(accelerator="cpu", progress=False, **trainer), stage="tokenize")
    return tokenize.run(settings or config(), items(), dataset(), out=out, context=context)


def test_the_bank_is_what_the_saved_tokenizer_says_at_the_lowest_temperature(tmp_path):
    bank, tokenizer = run(tmp_path), SoftRQVAE.load(tmp_path)
    assert tokenizer.temperature == pytest.approx(config().soft_rqvae.tau_min)
    codes = tokenizer.encode(torch.from_numpy(items().matrix))
    assert torch.equal(bank.primary[1:, :-1], codes)
    assert bank.vocab.codebook_sizes[:-1] == (8, 8)


def test_training_reconstructs_better_and_logs_what_it_does(tmp_path):
    run(tmp_path, config(epochs=30))
    curves = read_curves(tmp_path)
    reconstruction, tau = curves["train/reconstruction"].values, curves["train/temperature"].values
    assert reconstruction[-1] < 0.8 * reconstruction[0]
    assert tau.tolist() == sorted(tau, reverse=True)
    assert curves["train/entropy/level2"].values[-1] < np.log(8)


def test_what_codes_lose_against_mixtures_is_written_and_a_training_that_was_too_short_is_told(tmp_path, caplog):
    run(tmp_path / "short", config(epochs=1, tau_max=1.0, tau_min=1.0))
    assert "training ended before mixtures became codes" in caplog.text
    caplog.clear()
    run(tmp_path / "sharp", config(epochs=4, tau_max=1e-6, tau_min=1e-6))
    assert "became codes" not in caplog.text
    short, sharp = (json.loads((tmp_path / name / AGREEMENT).read_text()) for name in ("short", "sharp"))
    assert short["same_codes"] < 0.75 < 0.99 < sharp["same_codes"]
    assert sharp["lost_by_codes"] == pytest.approx(sharp["lost_by_mixtures"], rel=1e-2)


def test_uniformity_is_a_sum_over_levels(monkeypatch):
    settings = replace(config().soft_rqvae, uniformity_weight=0.5)
    embeddings = torch.from_numpy(items().matrix).float()
    model = SoftTraining(SoftRQVAE(settings, embeddings.shape[1]), embeddings, torch.arange(N_ITEMS))
    monkeypatch.setattr(model, "log_dict", lambda *given, **named: None)
    inputs = model.tokenizer.normalise(embeddings)
    reconstructed, soft = model.tokenizer(inputs)
    uses = [shares.mean(dim=0) for shares in soft.shares]
    divergence = sum((use * (use * len(use)).log()).nansum() for use in uses)
    expected = (reconstructed - inputs).square().mean() + 0.5 * divergence
    torch.testing.assert_close(model.training_step(torch.arange(N_ITEMS)), expected)


def test_a_run_that_is_continued_equals_one_that_was_not_interrupted(tmp_path, monkeypatch):
    whole = run(tmp_path / "whole")

    original = SoftTraining.on_train_epoch_start

    def interrupted(self):
        if self.current_epoch == 2:
            raise KeyboardInterrupt
        original(self)

    monkeypatch.setattr(SoftTraining, "on_train_epoch_start", interrupted)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(tmp_path / "parts")
    monkeypatch.undo()
    assert (tmp_path / "parts" / "last.ckpt").exists()
    continued = run(tmp_path / "parts")
    assert continued.fingerprint == whole.fingerprint
    ours, theirs = (SoftRQVAE.load(tmp_path / name).state_dict() for name in ("whole", "parts"))
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def test_members_are_the_last_epochs_from_the_newest_back_and_the_first_is_the_tokenizers(tmp_path):
    bank = run(tmp_path, replace(config(lr=0.05), members=3))
    assert [member["epoch"] for member in bank.provenance["members"]] == [4, 3, 2]
    assert torch.equal(bank.primary, run(tmp_path / "single", config(lr=0.05)).primary)
    codes = SoftRQVAE.load(tmp_path).encode(torch.from_numpy(items().matrix))
    assert torch.equal(bank.primary[1:, :-1], codes)
    assert not torch.equal(bank.codes[2], bank.codes[0])


@pytest.mark.parametrize("changes", [{"ensemble": "independent"}, {"collisions": "nearest_free"}])
def test_members_are_epochs_of_one_run_told_apart_by_a_digit(changes):
    with pytest.raises(ConfigError, match="set ensemble=checkpoints and collisions=rank_digit, not"):
        replace(config(), members=2, **changes)


def test_fewer_items_than_codes_is_one_line(tmp_path):
    with pytest.raises(InputError, match="96 items to train on are fewer than the 128 codes of a level"):
        run(tmp_path, config(codebook_sizes=[128]))


def test_a_precision_without_float32_is_refused(tmp_path):
    with pytest.raises(InputError, match="trainer.precision=bf16-true cannot train the soft RQ-VAE"):
        run(tmp_path, precision="bf16-true")


def test_bf16_trains_the_same_distances(tmp_path):
    ours, theirs = run(tmp_path / "a"), run(tmp_path / "b", precision="bf16-mixed")
    assert ours.fingerprint == theirs.fingerprint


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    done = subprocess.run([sys.executable, __file__, tmp_path / "two"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    run(tmp_path / "one")
    ours, theirs = (SoftRQVAE.load(tmp_path / name).state_dict() for name in ("one", "two"))
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, atol=1e-4, rtol=1e-3)


if __name__ == "__main__":
    # Lightning's ddp starts this file again for the second process.
    run(Path(sys.argv[1]), devices=2, strategy="ddp")
    assert world_size() == 2 or is_rank_zero()
