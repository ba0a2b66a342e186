"""UniGRec in its stage: continued where it was stopped, rebuilds included, and trained on a weighted objective."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.recommenders import test_conformance as toys
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.evaluation.curves import alphas, read_curves
from tigerlite.recommenders.unigrec import UniGRec
from tigerlite.stages import recommend
from tigerlite.stages.objective_config import CurriculumConfig, ObjectiveConfig
from tigerlite.stages.recommend_config import RecommendConfig
from tigerlite.stages.trainer_config import Context, TrainerConfig

EPOCHS = 4
# A tokenizer that moves fast, so that every rebuild changes codes.
JOINT = replace(toys.JOINT, digits=toys.N_ITEMS, tokenizer_lr=1e-2, hysteresis=1.0)
CAUSAL = replace(toys.TIGER, encoder_attention="causal", epochs=EPOCHS, batch_size=16, validate_every=1)


def train(folder: Path, objective: ObjectiveConfig | None = None, checkpoint_minutes: float = 1e-9) -> UniGRec:
    """A small UniGRec; a run that was interrupted in the folder is continued."""
    folder.mkdir(parents=True, exist_ok=True)
    stage = RecommendConfig(method="unigrec", tiger=CAUSAL, unigrec=JOINT, objective=objective or ObjectiveConfig())
    trainer = TrainerConfig(accelerator="cpu", progress=False, checkpoint_minutes=checkpoint_minutes)
    given = toys.inputs("unigrec")
    embeddings = ItemEmbeddings(given["soft"].embeddings.numpy())
    context = Context(trainer=trainer)
    return recommend.run(stage, toys.catalogue(), embeddings=embeddings, **given, out=folder, context=context)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The folder of a run that was not interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    train(folder)
    return folder


def last(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]


def test_every_rebuild_changes_codes(whole):
    for level in (1, 2):
        assert (read_curves(whole)[f"codes/changed/level{level}"].values > 0).any()
    assert not torch.equal(last(whole)["code_table"], toys.inputs("unigrec")["bank"].primary)


@pytest.mark.parametrize("stop", [(2, 0), (2, 3)], ids=["between epochs", "inside an epoch that began with a rebuild"])
def test_a_continued_run_equals_one_that_was_not_interrupted(whole, tmp_path, monkeypatch, stop):
    original = UniGRec.training_step

    def stopped(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == stop:
            raise RuntimeError("stopped")
        return original(self, batch, batch_idx)

    monkeypatch.setattr(UniGRec, "training_step", stopped)
    with pytest.raises(RuntimeError, match="stopped"):
        train(tmp_path)
    monkeypatch.undo()
    continued = train(tmp_path)
    expected, found = last(whole), last(tmp_path)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    assert continued.fingerprint == recommend.load(whole).fingerprint


def test_weighted_tokens_and_a_curriculum_reach_the_recommendation_alone(tmp_path):
    objective = ObjectiveConfig(method="multi_target", curriculum=CurriculumConfig(schedule="exponential"))
    train(tmp_path, objective)
    curves = read_curves(tmp_path)
    mixed = alphas(curves)
    assert mixed["frequency"].values[-1] > mixed["frequency"].values[0] == 0
    assert {f"trajectory/{name}" for name in ("reconstruction", "tokenizer_distillation")} <= set(curves)
    losses = curves["train/loss"].values
    assert losses[-1] < losses[0]
