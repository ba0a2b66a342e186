"""Training a recommender: a resumed run equals an uninterrupted one, and starting weights are used."""

import dataclasses
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toy_catalogues import circle, grid

from tigerlite.config import InputError, reseeded, to_dict
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import training_positions
from tigerlite.optim import OptimizerConfig
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.stages import recommend
from tigerlite.stages.recommend_config import RecommendConfig
from tigerlite.stages.trainer_config import Context, TrainerConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

N_ITEMS = 12
CONFIG = RecommendConfig(
    tiger=TIGERConfig(
        t5=T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=16, n_heads=2, d_kv=8, d_ff=32, dropout=0.1),
        optimizer=OptimizerConfig(lr=5e-3, warmup_epochs=0.5),
        epochs=3,
        batch_size=32,
        valid_beams=12,
    )
)


def changed(**settings) -> RecommendConfig:
    return replace(CONFIG, tiger=replace(CONFIG.tiger, **settings))


@pytest.fixture
def dataset() -> RecDataset:
    return circle()


@pytest.fixture
def bank() -> TokenizerBank:
    return grid()


def weights(model: TIGER) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.t5.parameters()])


@pytest.mark.parametrize("encoder_attention", ["bidirectional", "causal"])
def test_a_resumed_run_equals_an_uninterrupted_one(dataset, bank, tmp_path, monkeypatch, encoder_attention):
    config = changed(encoder_attention=encoder_attention)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    expected = recommend.run(config, dataset, bank, out=whole)

    original = TIGER.training_step

    def interrupted(self, batch, batch_idx):
        if self.current_epoch == 2 and batch_idx == 1:
            raise RuntimeError("killed")
        return original(self, batch, batch_idx)

    monkeypatch.setattr(TIGER, "training_step", interrupted)
    with pytest.raises(RuntimeError, match="killed"):
        recommend.run(config, dataset, bank, out=broken)
    assert (broken / "last.ckpt").exists()
    assert not (broken / "model.safetensors").exists()
    monkeypatch.setattr(TIGER, "training_step", original)
    resumed = recommend.run(config, dataset, bank, out=broken)
    torch.testing.assert_close(weights(resumed), weights(expected), atol=0, rtol=0)


def test_the_same_seed_gives_the_same_model_and_another_seed_another(dataset, bank, tmp_path):
    fingerprints = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        fingerprints.append(recommend.run(reseeded(CONFIG, seed), dataset, bank, out=tmp_path / name).fingerprint)
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_training_continues_from_the_weights_of_a_base(dataset, bank, tmp_path, monkeypatch):
    first = tmp_path / "first"
    first.mkdir()
    base = recommend.run(CONFIG, dataset, bank, out=first)
    seen = []
    original = TIGER.training_step

    def watch(self, batch, batch_idx):
        if not seen:
            seen.append(weights(self).clone())
        return original(self, batch, batch_idx)

    monkeypatch.setattr(TIGER, "training_step", watch)
    second = tmp_path / "second"
    second.mkdir()
    recommend.run(reseeded(CONFIG, 5), dataset, bank, base, out=second)
    torch.testing.assert_close(seen[0], weights(base))


def test_a_bank_of_another_catalogue_is_refused(dataset, tmp_path):
    codes = torch.tensor([[[0], [0], [1]]])
    with pytest.raises(InputError, match="the bank has 2 items but the data set 12"):
        recommend.run(CONFIG, dataset, TokenizerBank(codes, SemanticVocab((2,))), out=tmp_path)


def test_two_processes_train_like_one(dataset, bank, tmp_path):
    # The same global batches and no dropout, whose stream differs between processes: the runs differ by rounding only.
    assert len(training_positions(dataset)) % 2 == 0  # an odd sample would be left out by two processes
    subprocess.run([sys.executable, __file__, str(tmp_path)], check=True, timeout=240, capture_output=True, text=True)
    for attention in ("bidirectional", "causal"):
        (tmp_path / "one" / attention).mkdir(parents=True)
        one = recommend.run(_without_dropout(attention), dataset, bank, out=tmp_path / "one" / attention)
        two = recommend.load(tmp_path / attention)
        torch.testing.assert_close(weights(two), weights(one), atol=2e-3, rtol=2e-3)


def _without_dropout(encoder_attention: str) -> RecommendConfig:
    tiny = replace(CONFIG.tiger.t5, dropout=0.0)
    return changed(t5=tiny, encoder_attention=encoder_attention, max_history=3)


def test_fewer_epochs_than_the_validation_interval_still_keep_a_checkpoint(dataset, bank, tmp_path):
    rare = dataclasses.replace(CONFIG, tiger=dataclasses.replace(CONFIG.tiger, epochs=2, validate_every=5))
    assert recommend.run(rare, dataset, bank, out=tmp_path).fingerprint


def test_bf16_trains_with_clipped_gradients(dataset, bank, tmp_path):
    context = Context(trainer=TrainerConfig(accelerator="cpu", precision="bf16-mixed", progress=False, max_epochs=1))
    found = []
    for clip in (1.0, 1e-9):
        (tmp_path / str(clip)).mkdir()
        optimizer = replace(CONFIG.tiger.optimizer, clip=clip, weight_decay=0.0)
        found.append(
            recommend.run(changed(optimizer=optimizer), dataset, bank, out=tmp_path / str(clip), context=context)
        )
    torch.manual_seed(CONFIG.tiger.seed)
    start = weights(TIGER(to_dict(CONFIG.tiger), bank))
    assert (weights(found[0]) - start).abs().max() > 1e-3
    assert (weights(found[1]) - start).abs().max() < (weights(found[0]) - start).abs().max()


if __name__ == "__main__":
    # Lightning's ddp starts this file again for the second process.
    two_processes = Context(trainer=TrainerConfig(accelerator="cpu", devices=2, strategy="ddp", progress=False))
    for attention in ("bidirectional", "causal"):
        place = Path(sys.argv[1]) / attention
        place.mkdir(exist_ok=True)
        recommend.run(_without_dropout(attention), circle(), grid(), out=place, context=two_processes)


def test_where_users_return_to_items_copying_is_advised(bank, tmp_path, caplog):
    rounds = circle(lengths=[16] * 10)  # the last four items of each walk were there before
    for number, (settings, advised) in enumerate(
        [({}, True), ({"copy": True}, False), ({"exclude_history": True}, False)]
    ):
        caplog.clear()
        with caplog.at_level("INFO", logger=recommend.__name__):
            folder = tmp_path / str(number)
            folder.mkdir()
            recommend.run(changed(epochs=1, **settings), rounds, bank, out=folder)
        assert ("100.0 % of the validation targets" in caplog.text) == advised
    caplog.clear()
    recommend.run(changed(epochs=1), circle(), bank, out=tmp_path)
    assert "validation targets" not in caplog.text
