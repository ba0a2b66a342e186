import json
import subprocess
import sys
from pathlib import Path

import pytest

SPEED = Path(__file__).resolve().parent.parent / "pipelines" / "speed.py"
TINY = ["n_encoder_layers=1", "n_decoder_layers=1", "d_model=8", "n_heads=2", "d_kv=4", "d_ff=8"]
FLAGS = [*(f"--model.{flag}" for flag in TINY), "--codebook_size=8", "--n_items=50", "--n_levels=3", "--repeats=2"]


def _speed(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(SPEED), *arguments], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    ("name", "flags", "n_rows"),
    [("train", ["--batch_size=4"], 6), ("beam", ["--n_users=3", "--n_beams=6"], 5)],
)
def test_benchmark_prints_a_table_and_writes_json(name, flags, n_rows, tmp_path):
    out = tmp_path / "folder" / "speed.json"
    done = _speed(name, *FLAGS, *flags, f"--out={out}")
    assert done.returncode == 0, done.stderr
    document = json.loads(out.read_text())
    assert len(document["rows"]) == n_rows
    for row in document["rows"]:
        assert row["name"] in done.stdout
        assert row["per_second"] > 0
        assert len(row["seconds"]) == 2
    if name == "beam":
        assert document["results_equal_to_generate"] == 1


def test_unknown_benchmark_is_one_line_and_exit_code_2():
    done = _speed("trian")
    assert done.returncode == 2
    assert done.stderr == "error: benchmark 'trian' is unknown; allowed: train, beam\n"


def test_bad_value_is_one_line_and_exit_code_2():
    done = _speed("train", "--batch_size=0")
    assert done.returncode == 2
    assert done.stderr == "error: batch_size=0 is out of range; allowed: an integer >= 1\n"
