"""The command for classic recommenders: trains, shows, serves; refuses a generative method in one line."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def baseline(toy_settings, tmp_path):
    """Runs pipelines/baseline.py on the toy films."""
    del toy_settings["finetune"]
    films = tmp_path / "films.yaml"
    films.write_text(yaml.safe_dump({**toy_settings, "out": str(tmp_path / "run")}))

    def run(*flags: str) -> subprocess.CompletedProcess:
        command = [sys.executable, str(ROOT / "pipelines" / "baseline.py"), f"--config={films}", *flags]
        return subprocess.run(command, capture_output=True, text=True, timeout=240)

    return run


def test_gru4rec_is_trained_shown_drawn_and_served(baseline, tmp_path):
    done = baseline(f"--config={ROOT / 'configs' / 'models' / 'gru4rec.yaml'}", "--finetune.nextitem.epochs=2")
    assert done.returncode == 0, done.stderr
    assert "gru4rec" in done.stdout
    assert "Identifiers" not in done.stdout
    assert (tmp_path / "run" / "run.png").stat().st_size > 0
    command = [sys.executable, "-m", "tigerlite", "recommend", str(tmp_path / "run"), "--history=f00,f01", "--k=3"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stderr
    assert len(answer.stdout.splitlines()) == 3


@pytest.mark.parametrize("method", ["itemknn", "popularity"])
def test_a_closed_form_is_a_model_of_its_own(baseline, tmp_path, method):
    done = baseline(f"--config={ROOT / 'configs' / 'models' / f'{method}.yaml'}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f" {method} ") == 1
    assert (tmp_path / "run" / "run.png").stat().st_size > 0


def test_a_generative_method_is_refused_in_one_line(baseline):
    done = baseline()
    assert done.returncode == 2
    assert "finetune.method=tiger reads identifiers; use pipelines/tiger.py" in done.stderr
    assert "Traceback" not in done.stderr
