"""Objectives fitted to a bank and a data set: configs, counts, spread, resuming inside a curriculum, two processes."""

import logging
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_catalogues import circle, grid

from tigerlite.callbacks.curriculum import CurriculumConfig
from tigerlite.config import InputError, fingerprint
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.losses.mixing import MultiTargetConfig
from tigerlite.losses.token_weights.fitted import TokenWeights
from tigerlite.losses.token_weights.frequency import FrequencyConfig
from tigerlite.losses.token_weights.front_greater import FrontGreaterConfig
from tigerlite.losses.token_weights.igd import IGDConfig
from tigerlite.losses.token_weights.position import PositionConfig
from tigerlite.optim import OptimizerConfig
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.stages import recommend
from tigerlite.stages.objective import build_objective, target_counts
from tigerlite.stages.objective_config import METHODS, ObjectiveConfig
from tigerlite.stages.recommend_config import RecommendConfig
from tigerlite.stages.trainer_config import Context, TrainerConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

N_ITEMS = 12
CURRICULUM = CurriculumConfig(schedule="exponential", kappa=3.0)
FULL = ObjectiveConfig(
    method="multi_target",
    frequency=FrequencyConfig(beta=None, normalise="corpus"),
    multi_target=MultiTargetConfig(lr=0.05),
    curriculum=CURRICULUM,
)
CONFIG = RecommendConfig(
    tiger=TIGERConfig(
        t5=T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=16, n_heads=2, d_kv=8, d_ff=32, dropout=0.1),
        optimizer=OptimizerConfig(lr=5e-3, warmup_epochs=0.5),
        epochs=3,
        batch_size=32,
        valid_beams=12,
    ),
    objective=FULL,
)


def embeddings() -> ItemEmbeddings:
    """Rows of the grid are far apart, its columns near."""
    items = np.arange(N_ITEMS)
    return ItemEmbeddings(np.stack([5.0 * (items // 3), items % 3, np.sin(items)], axis=1))


def built(config: ObjectiveConfig, **changes):
    return build_objective(config, circle(), grid(), embeddings(), **changes)


def trained(config: RecommendConfig, out: Path, context: Context | None = None):
    out.mkdir(exist_ok=True)
    return recommend.run(config, circle(), grid(), None, embeddings(), out=out, context=context)


def weights(model: TIGER) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.t5.parameters()])


def test_plain_training_is_named_as_without_an_objective_and_trains_the_same(tmp_path):
    plain = RecommendConfig(objective=ObjectiveConfig(eos_weight=0.5, position=PositionConfig(beta=0.9)))
    assert fingerprint(plain) == fingerprint(RecommendConfig())
    assert "objective" in RecommendConfig().unused
    assert "objective" in replace(CONFIG, method="nextitem").unused
    assert build_objective(ObjectiveConfig(), circle(), grid()) is None


def test_targets_are_counted_once_per_training_sample():
    dataset = circle()
    counts = np.zeros(N_ITEMS + 1, dtype=np.int64)
    for start, end in zip(dataset.offsets[:-1], dataset.train_ends, strict=True):
        for item in dataset.items[start + 1 : end]:
            counts[item] += 1
    assert target_counts(dataset).tolist() == counts.tolist()


@pytest.mark.parametrize("eos", [False, True])
@pytest.mark.parametrize("method", [method for method in METHODS if method not in ("plain", "rank", "cft")])
def test_fitted_weights_have_mean_one_over_the_training_tokens(method, eos, tmp_path):
    built(ObjectiveConfig(method=method), eos=eos, folder=tmp_path)
    tables = TokenWeights.load(tmp_path, grid().fingerprint).tables
    counts = target_counts(circle()).double()
    for name in tables:
        table = tables[name].double().expand(N_ITEMS + 1, -1)
        assert table.shape[1] == 2 + eos
        assert float((table.mean(dim=1) * counts).sum() / counts.sum()) == pytest.approx(1, abs=1e-6)


def test_fitted_weights_are_kept_with_the_identifiers_they_are_for(tmp_path):
    built(FULL, folder=tmp_path)
    kept = TokenWeights.load(tmp_path, grid().fingerprint)
    assert set(kept.tables) == {"front_greater", "frequency"}
    assert kept.statistics["front_greater"]["gain"][0] > kept.statistics["front_greater"]["gain"][1]
    assert 0 < kept.statistics["frequency"]["beta"] < 1
    with pytest.raises(InputError, match="were fitted on identifiers"):
        TokenWeights.load(tmp_path, "another")


def test_saved_weights_train_what_fitted_ones_do_and_follow_the_run(tmp_path):
    fitted = trained(replace(CONFIG, objective=FULL), tmp_path / "fitted")
    given = replace(FULL, weights=tmp_path / "fitted", frequency=FrequencyConfig(beta=0.5))
    (tmp_path / "given").mkdir()
    # Neither embeddings nor the settings of fitting are looked at.
    found = recommend.run(replace(CONFIG, objective=given), circle(), grid(), out=tmp_path / "given")
    torch.testing.assert_close(weights(found), weights(fitted), atol=0, rtol=0)
    kept = [TokenWeights.load(tmp_path / name, grid().fingerprint).fingerprint for name in ("fitted", "given")]
    assert kept[0] == kept[1]


def test_decoding_is_calibrated_as_the_config_says_also_with_saved_weights(tmp_path):
    fitted = built(ObjectiveConfig(method="igd"), folder=tmp_path)
    saved = TokenWeights.read(tmp_path)
    for igd in (IGDConfig(), IGDConfig(alpha=0.4), IGDConfig(alpha=0.0)):
        given = ObjectiveConfig(method="igd", weights=tmp_path, igd=igd)
        found, wanted = built(given, saved=saved), built(ObjectiveConfig(method="igd", igd=igd))
        assert torch.equal(found.module.table, fitted.module.table)
        assert (found.calibration is None) == (wanted.calibration is None) == (igd.alpha == 0)
        assert igd.alpha == 0 or torch.equal(found.calibration, wanted.calibration)


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        ("frequency", {"sizes": (5, 3)}, "were fitted on identifiers .*, not on .*; use those of a run with these"),
        ("position", {}, "are frequency, without position; set the objective that they were fitted for"),
        ("frequency", {"eos": True}, "are for 2 label tokens, not 3; set tiger.eos as they were fitted"),
    ],
)
def test_saved_weights_of_something_else_are_one_line(method, changes, message, tmp_path):
    built(ObjectiveConfig(method="frequency"), folder=tmp_path)
    saved = TokenWeights.read(tmp_path)
    bank = TokenizerBank(grid().codes, SemanticVocab(changes.pop("sizes", (4, 3))))
    with pytest.raises(InputError, match=message):
        build_objective(ObjectiveConfig(method=method, weights=tmp_path), circle(), bank, saved=saved, **changes)


@pytest.mark.parametrize("method", ["front_greater", "frequency"])
def test_every_member_of_a_bank_has_weights_of_its_own(method, tmp_path):
    first = grid()
    shuffled = torch.cat([first.primary[:1], first.primary[1:][torch.tensor([3, 1, 4, 0, 5, 9, 2, 6, 8, 7, 11, 10])]])
    both = TokenizerBank(torch.stack([first.primary, shuffled]), first.vocab)
    found = {}
    for name, bank in (("first", first), ("second", TokenizerBank(shuffled[None], first.vocab)), ("both", both)):
        (tmp_path / name).mkdir()
        build_objective(ObjectiveConfig(method=method), circle(), bank, embeddings(), folder=tmp_path / name)
        table = TokenWeights.load(tmp_path / name, bank.fingerprint).tables[method]
        found[name] = table.expand(N_ITEMS + 1, -1) if name != "both" else table
    assert torch.equal(found["both"], torch.cat([found["first"], found["second"]]))
    assert not torch.equal(found["first"], found["second"])


def test_the_spread_is_said_and_an_inert_weighting_is_warned_of(caplog):
    caplog.set_level(logging.INFO)
    built(ObjectiveConfig(method="frequency", frequency=FrequencyConfig(beta=0.1)))
    assert "frequency weights over 100 training targets: std 0.000" in caplog.text.replace(
        str(int(target_counts(circle()).sum())), "100"
    )
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "frequency weighting is inert: std 0.000 < .05 is plain cross-entropy; with beta=0.1" in warning.message


def test_a_weighting_that_acts_is_not_warned_of(caplog):
    built(ObjectiveConfig(method="position"))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_calibration_is_igds_alone():
    assert built(ObjectiveConfig(method="igd")).calibration.shape == (N_ITEMS + 1, 2)
    assert built(ObjectiveConfig(method="igd", igd=IGDConfig(alpha=0.0))).calibration is None
    assert built(FULL).calibration is None


def test_front_greater_without_embeddings_is_refused():
    with pytest.raises(InputError, match="front_greater weights are fitted from item embeddings and none are given"):
        build_objective(ObjectiveConfig(method="front_greater"), circle(), grid())


def test_more_whitened_directions_than_the_embeddings_span_are_refused():
    config = ObjectiveConfig(method="front_greater", front_greater=FrontGreaterConfig(whiten=9))
    with pytest.raises(InputError, match=r"whiten=9 is more than the directions that the embeddings \(12 items x 3"):
        built(config)


def test_whitening_changes_the_profile():
    raw, white = (
        built(ObjectiveConfig(method="front_greater", front_greater=FrontGreaterConfig(whiten=n))).module.table
        for n in (0, 2)
    )
    assert (raw - white).abs().max() > 0.05


def test_popular_items_count_as_often_as_they_are_targets():
    from tests.reference.token_weights import mean_dispersion  # the second process of this file finds no such package

    config = FrontGreaterConfig(items="popularity")
    found = built(ObjectiveConfig(method="front_greater", front_greater=config)).module.table[0]
    counts, codes = target_counts(circle()).tolist(), [tuple(path) for path in grid().primary.tolist()]
    repeated = [item for item in range(1, N_ITEMS + 1) for _ in range(counts[item])]
    points = embeddings().matrix.tolist()
    paths, rows = [codes[item] for item in repeated], [points[item - 1] for item in repeated]
    mu = [mean_dispersion(paths, rows, depth, squared=True) for depth in range(3)]
    gains = torch.tensor([mu[0] - mu[1], mu[1] - mu[2]])
    torch.testing.assert_close(found, gains / gains.mean(), atol=1e-4, rtol=1e-4)
    alike = built(ObjectiveConfig(method="front_greater")).module.table[0]
    assert (found - alike).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("counts", "per_item"),
    [("targets", False), ("occurrences", False), ("items", False), ("targets", True), ("occurrences", True)],
)
def test_frequency_counts_what_the_config_says(counts, per_item):
    dataset, bank, beta = circle(), grid(), 0.8
    begin = int(counts == "targets")  # a user's first item is no target
    users = zip(dataset.offsets[:-1], dataset.train_ends, strict=True)
    seen = Counter(int(item) for start, end in users for item in dataset.items[start + begin : end])
    codes, items = bank.primary.tolist(), range(1, N_ITEMS + 1)

    def n(item: int, level: int) -> int:
        sharing = [item] if per_item else [other for other in items if codes[other][level] == codes[item][level]]
        return sum(1 if counts == "items" else seen[other] for other in sharing)

    raw = torch.tensor([[(1 - beta) / (1 - beta ** max(n(item, level), 1)) for level in (0, 1)] for item in items])
    shares = target_counts(dataset)[1:] / target_counts(dataset).sum()
    config = FrequencyConfig(counts=counts, beta=beta, normalise="corpus", per_item=per_item)
    table = built(ObjectiveConfig(method="frequency", frequency=config)).module.table
    torch.testing.assert_close(table[1:], raw / (shares[:, None] * raw).sum(dim=0))


def test_a_level_that_would_never_be_learnt_is_refused():
    with pytest.raises(InputError, match="position give code 2 of every training target the weight 0"):
        built(ObjectiveConfig(method="position", position=PositionConfig(beta=0.0)))


@pytest.mark.parametrize("method", [method for method in METHODS if method != "plain"])
def test_every_objective_trains_a_model_that_is_served_as_trained(method, tmp_path):
    found = trained(replace(CONFIG, objective=ObjectiveConfig(method=method)), tmp_path)
    items, scores = found.recommend(torch.tensor([[1, 2, 3]]), k=5)
    assert (items > 0).all()
    assert torch.isfinite(scores).all()
    assert recommend.load(tmp_path).fingerprint == found.fingerprint


@pytest.mark.parametrize("encoder_attention", ["bidirectional", "causal"])
def test_a_run_resumed_inside_a_curriculum_equals_an_uninterrupted_one(tmp_path, monkeypatch, encoder_attention):
    config = replace(CONFIG, tiger=replace(CONFIG.tiger, encoder_attention=encoder_attention))
    expected = trained(config, tmp_path / "whole")
    original = TIGER.training_step

    def interrupted(self, batch, batch_idx):
        if self.current_epoch == 1 and batch_idx == 3:
            raise RuntimeError("killed")
        return original(self, batch, batch_idx)

    monkeypatch.setattr(TIGER, "training_step", interrupted)
    # A checkpoint after every batch, so that the run goes on inside an epoch.
    often = Context(trainer=TrainerConfig(accelerator="cpu", progress=False, checkpoint_minutes=1e-9))
    with pytest.raises(RuntimeError, match="killed"):
        trained(config, tmp_path / "broken", often)
    left = torch.load(tmp_path / "broken" / "last.ckpt", weights_only=True)
    assert left["callbacks"]["Curriculum"]["weights"]["frequency"] > 0
    assert left["state_dict"]["objective.mixing.state"].abs().max() > 0
    monkeypatch.setattr(TIGER, "training_step", original)
    resumed = trained(config, tmp_path / "broken")
    torch.testing.assert_close(weights(resumed), weights(expected), atol=0, rtol=0)
    ends = [torch.load(tmp_path / name / "last.ckpt", weights_only=True)["state_dict"] for name in ("whole", "broken")]
    assert torch.equal(ends[0]["objective.mixing.state"], ends[1]["objective.mixing.state"])


def test_passes_of_a_step_and_processes_change_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path / "two")], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    one = trained(_without_dropout(), tmp_path / "one")
    split = Context(trainer=TrainerConfig(accelerator="cpu", progress=False, accumulate=2))
    parts = trained(_without_dropout(), tmp_path / "parts", split)
    torch.testing.assert_close(weights(parts), weights(one), atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(weights(recommend.load(tmp_path / "two")), weights(one), atol=2e-3, rtol=2e-3)
    states = [
        torch.load(tmp_path / name / "last.ckpt", weights_only=True)["state_dict"]["objective.mixing.state"]
        for name in ("one", "parts", "two")
    ]
    for state in states[1:]:
        torch.testing.assert_close(state, states[0], atol=2e-3, rtol=2e-3)


def _without_dropout() -> RecommendConfig:
    return replace(CONFIG, tiger=replace(CONFIG.tiger, t5=replace(CONFIG.tiger.t5, dropout=0.0), max_history=3))


if __name__ == "__main__":
    # Lightning's ddp starts this file again for the second process.
    two_processes = Context(trainer=TrainerConfig(accelerator="cpu", devices=2, strategy="ddp", progress=False))
    trained(_without_dropout(), Path(sys.argv[1]), two_processes)
