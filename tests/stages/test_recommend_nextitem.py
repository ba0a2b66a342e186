"""Masked training resumes exactly; S3-Rec's two stages; data without features; times through the pipeline's stage."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_catalogues import circle

from tigerlite.config import InputError, to_dict
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import item_counts
from tigerlite.optim import OptimizerConfig
from tigerlite.recommenders.baselines.hstu import time_buckets
from tigerlite.recommenders.nextitem import NextItem
from tigerlite.recommenders.nextitem_config import NextItemConfig
from tigerlite.stages import evaluate, recommend
from tigerlite.stages.evaluate_config import EvaluateConfig
from tigerlite.stages.recommend import RecommendConfig
from tigerlite.stages.trainer_config import Context, TrainerConfig

N_ITEMS = 12
BASE = NextItemConfig(optimizer=OptimizerConfig(lr=1e-2, warmup_epochs=0.5), epochs=3, batch_size=32, max_history=6)


def config(network: str, **changes) -> RecommendConfig:
    section = replace(NextItemConfig(network=network).section, d_model=16, **changes.pop("section", {}))
    return RecommendConfig(method="nextitem", nextitem=replace(BASE, network=network, **{network: section}, **changes))


def minutes(attributes: list[list[str]] | None = None) -> RecDataset:
    """Forty users who walk through twelve items in a circle, one step a minute."""
    walked = circle()
    times = np.concatenate([60 * np.arange(n) for n in np.diff(walked.offsets)]).astype(np.int64)
    return replace(walked, times=times, attributes=attributes)


def described() -> RecDataset:
    """Two attributes per item but the last, which has none."""
    return minutes([*([f"row {item // 3}", f"column {item % 3}"] for item in range(N_ITEMS - 1)), []])


def run(settings: RecommendConfig, dataset: RecDataset, out: Path, base: NextItem | None = None) -> NextItem:
    out.mkdir(exist_ok=True)
    context = Context(trainer=TrainerConfig(accelerator="cpu", progress=False))
    return recommend.run(settings, dataset, base=base, out=out, context=context)


@pytest.mark.parametrize("name", ["bert4rec", "s3rec"])
def test_a_resumed_run_masks_as_an_uninterrupted_one(name, tmp_path, monkeypatch):
    settings = config(name, **({"objective": "self_supervised"} if name == "s3rec" else {}))
    expected = run(settings, described(), tmp_path / "whole")
    original = NextItem.training_step

    def interrupted(self, batch, batch_idx):
        if self.current_epoch == 2 and batch_idx == 1:
            raise RuntimeError("killed")
        return original(self, batch, batch_idx)

    monkeypatch.setattr(NextItem, "training_step", interrupted)
    with pytest.raises(RuntimeError, match="killed"):
        run(settings, described(), tmp_path / "broken")
    monkeypatch.setattr(NextItem, "training_step", original)
    assert run(settings, described(), tmp_path / "broken").fingerprint == expected.fingerprint


def test_s3rec_is_fine_tuned_from_its_pretrained_weights(tmp_path, monkeypatch):
    base = run(config("s3rec", objective="self_supervised"), described(), tmp_path / "pretrain")
    started = []
    original = NextItem.training_step

    def watch(self, batch, batch_idx):
        if not started:
            started.append(self.item_embeddings.detach().clone())
        return original(self, batch, batch_idx)

    monkeypatch.setattr(NextItem, "training_step", watch)
    # Fine-tuning reads no features: data without any are welcome to it.
    tuned = run(config("s3rec"), minutes(), tmp_path / "finetune", base)
    assert torch.equal(started[0], base.item_embeddings)
    assert not torch.equal(tuned.item_embeddings, base.item_embeddings)


def test_pretraining_learns_which_item_a_mask_hides(tmp_path):
    longer = config("s3rec", objective="self_supervised", epochs=60, section={"dropout": 0.1, "mask_share": 0.1})
    histories = (torch.arange(N_ITEMS)[:, None] + torch.arange(3)) % N_ITEMS + 1
    found = run(longer, described(), tmp_path).recommend(histories, 3).items
    assert (found == histories[:, -1:] % N_ITEMS + 1).any(dim=1).float().mean() > 0.7  # 3 of 12 by chance: .25


@pytest.mark.parametrize("settings", [config("fdsa"), config("s3rec", objective="self_supervised")])
def test_data_without_features_are_refused_in_one_line(settings, tmp_path):
    with pytest.raises(InputError, match="has neither item attributes nor texts, which this method reads"):
        run(settings, minutes(), tmp_path)


@pytest.mark.parametrize("settings", [config("fdsa", epochs=25), config("s3rec", objective="self_supervised")])
def test_an_item_without_features_is_read_and_recommended_among_the_others(settings, tmp_path):
    trained = run(settings, described(), tmp_path)
    last = N_ITEMS  # the one without
    found = trained.recommend(torch.tensor([[last - 2, last - 1], [last, 0], [1, last]]), N_ITEMS)
    assert torch.equal(found.items.sort(dim=1).values, torch.arange(1, N_ITEMS + 1).expand(3, -1))
    assert torch.isfinite(found.scores).all()
    if trained.name == "fdsa":  # pre-training alone does not learn in three epochs
        assert last in found.items[0, :3]


def test_a_saved_fdsa_knows_its_features(tmp_path):
    trained = run(config("fdsa"), described(), tmp_path)
    again = NextItem.load(tmp_path)
    assert again.fingerprint == trained.fingerprint
    assert again.network.pool.features.shape == (N_ITEMS + 1, 2)


def test_training_reads_times_and_says_so(tmp_path, caplog):
    settings = config("hstu", max_history=8, section={"time_bias": True})
    with caplog.at_level(logging.INFO):
        trained = run(settings, minutes(), tmp_path)
    assert "hstu reads positions and the times of interactions" in caplog.text
    # Whole minutes, up to four within a training row: no other bucket of times gets a gradient.
    torch.manual_seed(settings.nextitem.seed)
    start = NextItem(to_dict(settings.nextitem), item_counts(minutes()))
    before, after = (built.network.layers[0].times.weight.detach()[:, 0] for built in (start, trained))
    met = time_buckets(60 * torch.arange(5)).unique()
    others = torch.ones(len(before), dtype=torch.bool).index_fill(0, met, value=False)
    moved = (after - before).abs()
    assert moved[met].min() > 10 * moved[others].max()


def test_s3rec_says_that_it_reads_no_features_where_nothing_was_pretrained(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        alone = run(config("s3rec", epochs=1), minutes(), tmp_path / "alone")
        assert "s3rec without pre-training reads item ids alone" in caplog.text
        caplog.clear()
        run(config("s3rec", epochs=1), minutes(), tmp_path / "again", alone)
    assert "reads item ids alone" not in caplog.text


def test_evaluation_gives_times_to_the_model_that_reads_them(tmp_path, monkeypatch):
    trained = run(config("hstu", max_history=8, section={"time_bias": True}), minutes(), tmp_path / "model")
    seen = []
    original = trained.network.forward

    def watch(sequences, times=None):
        seen.append(times)
        return original(sequences, times)

    monkeypatch.setattr(trained.network, "forward", watch)
    (tmp_path / "evaluate").mkdir()
    evaluate.run(EvaluateConfig(baselines=(), n_examples=0), minutes(), trained, out=tmp_path / "evaluate")
    assert seen
    assert all(times is not None and int(times.max()) == 60 * (times.shape[1] - 1) for times in seen)
