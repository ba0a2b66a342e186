"""Stages leave their pictures in their folders and show them; without matplotlib they do neither, and run."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from toy_catalogues import circle

from tests.stages import test_objective as toy
from tigerlite.losses.mixing import MultiTargetConfig
from tigerlite.stages import tokenize
from tigerlite.stages.objective_config import ObjectiveConfig
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.stages.trainer_config import Context, TrainerConfig
from tigerlite.tokenizers.random import RandomConfig
from tigerlite.tracking import Tracker, TrackingConfig

IDENTIFIERS = TokenizeConfig(method="random", collisions="random_free", random=RandomConfig(codebook_sizes=(8, 8)))


class Wall(Tracker):
    """Keeps what it is shown."""

    def __init__(self, out: Path) -> None:
        super().__init__(out, TrackingConfig())
        self.shown: list[tuple[str, str]] = []

    def figure(self, stage: str, name: str, file: Path) -> None:
        assert file.read_bytes().startswith(b"\x89PNG")
        self.shown.append((stage, name))


@pytest.fixture
def wall(tmp_path) -> Wall:
    return Wall(tmp_path / "tracked")


def context(wall: Wall | None, stage: str) -> Context:
    return Context(trainer=TrainerConfig(accelerator="cpu", progress=False), tracker=wall, stage=stage)


def test_identifiers_leave_what_each_code_decides(wall, tmp_path):
    tokenize.run(IDENTIFIERS, None, circle(), out=tmp_path, context=context(wall, "tokenize"))
    assert wall.shown == [("tokenize", "filter_ratio"), ("tokenize", "purity_gain")]
    assert {file.name for file in tmp_path.glob("*.png")} == {"filter_ratio.png", "purity_gain.png"}


def test_a_mixture_leaves_its_alphas_and_weights_and_plain_training_nothing(wall, tmp_path):
    mixed = replace(toy.FULL, multi_target=MultiTargetConfig(mixing="fixed"))
    for name, objective in (("mixed", mixed), ("plain", ObjectiveConfig())):
        toy.trained(replace(toy.CONFIG, objective=objective), tmp_path / name, context(wall, "pretrain"))
    assert wall.shown == [("pretrain", name) for name in ("training", "alpha", "weight_profile")]
    assert not list((tmp_path / "plain").glob("*.png"))


def test_stages_run_without_matplotlib_and_without_a_tracker(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    tokenize.run(IDENTIFIERS, None, circle(), out=tmp_path, context=context(None, ""))
    assert json.loads((tmp_path / "codebook_health.json").read_text())["n_items"] == 12
    assert not list(tmp_path.glob("*.png"))
