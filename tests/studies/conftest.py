"""A study of two rows and two seeds on the toy films, as files."""

import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def toy_study(toy_settings, tmp_path) -> Path:
    """`small.yaml`: does another learning rate help? The data set's config is a file beside it."""
    toy_settings["finetune"]["tiger"]["epochs"] = 2
    toy_settings["trainer"] = {"progress": False}
    (tmp_path / "films.yaml").write_text(yaml.safe_dump({**toy_settings, "out": str(tmp_path / "runs")}))
    study = {
        "baseline": "slow",
        "seeds": [0, 1],
        "datasets": {"films": {"configs": ["films.yaml"]}},
        "rows": {
            "fast": {"finetune.tiger.optimizer.lr": 1e-2},
            "slow": {"finetune": {"tiger.optimizer": {"lr": 1e-3}}},
        },
    }
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(study, sort_keys=False))
    return file


@pytest.fixture
def command() -> list[str]:
    """The start of a shell command that runs a study."""
    return [sys.executable, str(ROOT / "pipelines" / "study.py")]
