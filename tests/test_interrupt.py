"""Ctrl-C in any stage: exit code 130 and one line that says how to go on; the next run ends with the same metrics."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tigerlite.data.dataset import RecDataset
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.recommenders.baselines.popularity import Popularity
from tigerlite.recommenders.tiger import TIGER
from tigerlite.stages import calibrate
from tigerlite.tokenizers.rqvae import RQVAE

ROOT = Path(__file__).resolve().parents[1]
MESSAGE = "interrupted; run the same command again to continue\n"
STAGES = ("prepare", "encode", "tokenize", "finetune", "calibrate", "evaluate")


@pytest.fixture
def press_ctrl_c_in(monkeypatch):
    """Sends this process SIGINT in the middle of a stage: after its files, in its second epoch, while ranking."""
    places = {
        "prepare": (RecDataset, "save"),
        "encode": (ItemEmbeddings, "save"),
        "tokenize": (RQVAE, "training_step"),
        "finetune": (TIGER, "training_step"),
        "calibrate": (calibrate, "apply_temperature"),
        "evaluate": (Popularity, "scores"),
    }

    def arrange(stage: str) -> None:
        owner, name = places[stage]
        original = getattr(owner, name)

        @functools.wraps(original)  # Lightning reads the signature
        def interrupted(self, *given, **named):
            result = original(self, *given, **named)
            if name != "training_step" or self.current_epoch == 1:
                monkeypatch.setattr(owner, name, original)
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)  # Python runs signal handlers between two instructions
            return result

        monkeypatch.setattr(owner, name, interrupted)

    return arrange


@pytest.mark.parametrize("stage", STAGES)
def test_the_stage_is_not_there_and_the_next_run_ends_with_the_same_metrics(
    tigerlite_command, press_ctrl_c_in, toy_settings, toy_metrics, tmp_path, stage
):
    file, out = tmp_path / "config.yaml", tmp_path / "out"
    file.write_text(json.dumps(toy_settings))
    handler = signal.getsignal(signal.SIGINT)
    press_ctrl_c_in(stage)
    assert tigerlite_command("evaluate", f"--config={file}", f"--out={out}") == (130, MESSAGE)
    assert signal.getsignal(signal.SIGINT) is handler
    assert {done.parent.name.split("-")[0] for done in out.rglob("DONE")} == set(STAGES[: STAGES.index(stage)])
    assert not list(out.glob("*.claim"))
    assert not (out / "run.json").exists()
    (part,) = out.glob("*.part")
    if stage in ("tokenize", "finetune"):
        assert (part / "last.ckpt").exists()
    assert tigerlite_command("evaluate", f"--config={file}", f"--out={out}") == (0, "")
    (metrics,) = out.glob("evaluate-*/metrics.json")
    assert json.loads(metrics.read_text())["metrics"] == toy_metrics
    assert not list(out.glob("*.part"))


def test_a_signal_from_outside_ends_the_program_in_one_line(toy_settings, tmp_path):
    toy_settings["finetune"]["tiger"]["epochs"] = 10_000
    file, out = tmp_path / "config.yaml", tmp_path / "out"
    file.write_text(json.dumps(toy_settings))
    command = [sys.executable, "pipelines/tiger.py", f"--config={file}", f"--out={out}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 90
    while process.poll() is None and not list(out.glob("finetune-*.part/last.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert error.splitlines()[-1] + "\n" == MESSAGE
    assert "Traceback" not in error
