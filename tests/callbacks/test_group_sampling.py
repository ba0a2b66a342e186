"""Drawing members in training: one member changes nothing, runs resume exactly, two processes draw what one draws."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_catalogues import circle

from tigerlite.callbacks.group_sampling import GroupSamplingConfig
from tigerlite.config import ConfigError, InputError, fingerprint
from tigerlite.optim import OptimizerConfig
from tigerlite.recommenders.saved import load_recommender
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.stages import recommend
from tigerlite.stages.member_choice import IdentifiersConfig
from tigerlite.stages.recommend_config import RecommendConfig
from tigerlite.stages.trainer import LAST
from tigerlite.stages.trainer_config import Context, TrainerConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

N_ITEMS, N_MEMBERS = 12, 3
ESTIMATES = GroupSamplingConfig(
    influence="directional",
    warmup_epochs=1,
    interval=1,
    train_share=1.0,
    validation_share=1.0,
    n_shards=4,
    noise_test=False,
)


def bank(n_members: int = N_MEMBERS) -> TokenizerBank:
    """Twelve items on a grid of 4 x 3 codes, the items shifted by one in every further member."""
    items = torch.arange(N_ITEMS)
    codes = torch.stack([items // 3, items % 3], dim=1)
    members = torch.stack([codes.roll(member, dims=0) for member in range(n_members)])
    return TokenizerBank(
        torch.cat([torch.zeros(n_members, 1, 2, dtype=torch.int64), members], 1), SemanticVocab((4, 3))
    )


def config(
    sampling: GroupSamplingConfig = ESTIMATES, attention: str = "bidirectional", **identifiers
) -> RecommendConfig:
    t5 = T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=16, n_heads=2, d_kv=8, d_ff=32, dropout=0.0)
    tiger = TIGERConfig(
        t5=t5,
        encoder_attention=attention,
        optimizer=OptimizerConfig(lr=5e-3, warmup_epochs=0.5),
        epochs=3,
        batch_size=12,
        valid_beams=12,
    )
    identifiers = {"use": "mixed", "sampling": sampling} | identifiers
    return RecommendConfig(tiger=tiger, identifiers=IdentifiersConfig(**identifiers))


def train(settings: RecommendConfig, folder: Path, tokenizers: TokenizerBank | None = None, **trainer) -> TIGER:
    folder.mkdir(parents=True, exist_ok=True)
    context = Context(trainer=TrainerConfig(accelerator="cpu", progress=False, **trainer), stage="pretrain")
    return recommend.run(settings, circle(lengths=[5, 6, 7, 8] * 12), tokenizers or bank(), out=folder, context=context)


def weights(model: TIGER) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.t5.parameters()])


@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_one_member_trains_as_if_there_were_no_draws(tmp_path, attention):
    plain = replace(config(attention=attention), identifiers=IdentifiersConfig())
    expected = weights(train(plain, tmp_path / "plain", bank(1)))
    assert torch.equal(weights(train(config(attention=attention), tmp_path / "mixed", bank(1))), expected)
    assert torch.equal(weights(train(plain, tmp_path / "primary")), expected)
    assert not torch.equal(weights(train(config(attention=attention), tmp_path / "three")), expected)


@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
@pytest.mark.parametrize("estimator", ["reference", "adam", "directional"])
def test_a_resumed_run_draws_and_ends_like_an_uninterrupted_one(tmp_path, monkeypatch, attention, estimator):
    settings = config(replace(ESTIMATES, influence=estimator), attention)
    expected = train(settings, tmp_path / "whole")
    records = json.loads((tmp_path / "whole" / "groups.json").read_text())
    assert [record["epoch"] for record in records] == [1, 2]
    original = TIGER.training_step

    def interrupted(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == (2, 5):
            raise RuntimeError("killed")
        return original(self, batch, batch_idx)

    monkeypatch.setattr(TIGER, "training_step", interrupted)
    with pytest.raises(RuntimeError, match="killed"):
        train(settings, tmp_path / "broken", checkpoint_minutes=1e-9)
    monkeypatch.setattr(TIGER, "training_step", original)
    assert torch.equal(weights(train(settings, tmp_path / "broken")), weights(expected))
    again = json.loads((tmp_path / "broken" / "groups.json").read_text())
    assert [record["p"] for record in again] == [record["p"] for record in records]


def test_passes_per_step_draw_the_same_members(tmp_path, monkeypatch):
    monkeypatch.setattr(TIGER, "validation_items", lambda self, batch: batch.targets[:, None].expand(-1, 10))
    states = []
    for accumulate in (1, 2):
        folder = tmp_path / str(accumulate)
        train(config(), folder, precision="64-true", accumulate=accumulate)
        states.append(torch.load(folder / LAST, weights_only=True)["state_dict"])
    # Adam makes 1e-3 of the last digits in 40 steps; another draw of members makes 7e-3 and more.
    torch.testing.assert_close(states[1], states[0], atol=3e-3, rtol=0)


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    command = [sys.executable, __file__, str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = train(config(), tmp_path / "one"), load_recommender(tmp_path / "two")
    torch.testing.assert_close(weights(two), weights(one), atol=2e-4, rtol=0)
    first, second = (json.loads((tmp_path / name / "groups.json").read_text()) for name in ("one", "two"))
    for ours, theirs in zip(first, second, strict=True):
        assert theirs["p"] == pytest.approx(ours["p"], abs=1e-3)
        assert theirs["epoch_equivalents"] == pytest.approx(ours["epoch_equivalents"])
    # The first update follows the same weights up to rounding.
    assert second[0]["scores"] == pytest.approx(first[0]["scores"], rel=1e-3)


def test_cost_is_counted_in_passes_over_the_training_samples(tmp_path):
    for estimator, per_train in (("adam", 3), ("directional", 2)):
        train(config(replace(ESTIMATES, influence=estimator)), tmp_path / estimator)
        record = json.loads((tmp_path / estimator / "groups.json").read_text())[0]
        dataset = circle(lengths=[5, 6, 7, 8] * 12)
        n_train, n_valid = int((np.diff(dataset.offsets) - 3).sum()), 48
        expected = N_MEMBERS * (per_train * n_train + 3 * n_valid) / (3 * n_train)
        assert record["epoch_equivalents"] == pytest.approx(expected)


def test_noise_leaves_p_uniform_unless_told_otherwise(tmp_path, caplog):
    same = bank(1).codes.expand(3, -1, -1).clone()
    alike = TokenizerBank(same, SemanticVocab((4, 3)))
    with caplog.at_level("INFO"):
        train(config(replace(ESTIMATES, noise_test=True)), tmp_path, alike)
    record = json.loads((tmp_path / "groups.json").read_text())[0]
    assert record["stayed_uniform"]
    assert record["p"] == pytest.approx([1 / 3] * 3)
    assert any("so drawn uniformly" in message for message in caplog.messages)


def test_an_influence_that_is_not_a_number_ends_in_one_line(tmp_path, monkeypatch):
    original = TIGER.member_losses
    monkeypatch.setattr(
        TIGER, "member_losses", lambda self, batch, member: original(self, batch, member) * float("nan")
    )
    with pytest.raises(InputError, match="is not finite; the model has diverged"):
        train(config(), tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tau": 0.0}, "tau=0.0 is out of range; allowed: a number > 0"),
        ({"cap": 0.5}, "cap=0.5 is out of range; allowed: 0, or a number >= 1"),
        ({"influence": "directionnal"}, "did you mean 'directional'"),
        ({"unit": "user"}, "unit='user' is unknown; allowed: sample, batch, epoch"),
        ({"train_share": 0.0}, r"train_share=0.0 is out of range; allowed: a number in \(0, 1\]"),
        ({"interval": 0}, "interval=0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        GroupSamplingConfig(**settings)


def test_more_central_members_than_there_are_is_one_line(tmp_path):
    sampling = replace(ESTIMATES, validation_groups="central", n_central=5)
    with pytest.raises(ConfigError, match="n_central=5 is more than the 3 members"):
        train(config(sampling), tmp_path)


def test_uniform_sampling_ignores_what_influence_reads():
    assert fingerprint(GroupSamplingConfig(tau=3.0)) == fingerprint(GroupSamplingConfig())
    assert fingerprint(replace(ESTIMATES, tau=3.0)) != fingerprint(ESTIMATES)


if __name__ == "__main__":
    # Lightning's ddp starts this file again for the second process.
    train(config(), Path(sys.argv[1]), devices=2, strategy="ddp")
