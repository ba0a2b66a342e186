"""The command for UniGRec: its config is there without being named, and another model's takes its place."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "configs" / "models"


@pytest.fixture
def unigrec(toy_settings, tmp_path):
    """Runs pipelines/unigrec.py on the toy films."""
    tiger = {**toy_settings.pop("finetune")["tiger"], "epochs": 1}
    soft = {"hidden_sizes": [16], "latent": 8, "codebook_sizes": [8, 8], "epochs": 3}
    small = {"tokenize": {"soft_rqvae": soft}, "pretrain": {"tiger": tiger}, "finetune": {"tiger": tiger}}
    teacher = {"nextitem": {"epochs": 1, "sasrec": {"d_model": 8, "n_layers": 1, "n_heads": 1}}}
    films = tmp_path / "films.yaml"
    films.write_text(yaml.safe_dump({**toy_settings, **small, "teacher": teacher, "out": str(tmp_path / "run")}))

    def run(*flags: str) -> subprocess.CompletedProcess:
        command = [sys.executable, str(ROOT / "pipelines" / "unigrec.py"), f"--config={films}", *flags]
        return subprocess.run(command, capture_output=True, text=True, timeout=240)

    return run


def test_the_joint_model_is_trained_fine_tuned_shown_and_drawn(unigrec, tmp_path):
    done = unigrec("--pretrain.tiger.epochs=1", "--finetune.tiger.epochs=1", "--pretrain.unigrec.distillation_start=0")
    assert done.returncode == 0, done.stderr
    assert "unigrec" in done.stdout
    stages = {path.name.partition("-")[0] for path in (tmp_path / "run").iterdir() if path.is_dir()}
    assert {"teacher", "tokenize", "pretrain", "finetune", "evaluate"} <= stages
    assert (tmp_path / "run" / "run.png").stat().st_size > 0


def test_the_config_of_another_model_is_not_mixed_with_its_own(unigrec):
    done = unigrec("--config", str(MODELS / "sasrec.yaml"))
    assert done.returncode == 2
    assert "finetune.method=nextitem is no UniGRec; use pipelines/tiger.py (or baseline.py)" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_key_is_one_line(unigrec):
    done = unigrec("--pretrain.unigrec.digit=3")
    assert done.returncode == 2
    assert "did you mean 'pretrain.unigrec.digits'" in done.stderr
