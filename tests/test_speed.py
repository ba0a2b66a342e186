import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tigerlite.data.dataset import RecDataset

SPEED = Path(__file__).resolve().parent.parent / "pipelines" / "speed.py"
TINY = ["n_encoder_layers=1", "n_decoder_layers=1", "d_model=8", "n_heads=2", "d_kv=4", "d_ff=8"]
MODEL = [f"--model.{flag}" for flag in TINY]
DATA = ["--data.codebook_size=8", "--data.n_items=50", "--data.n_levels=3", "--data.n_users=20"]


def _speed(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(SPEED), *arguments], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    ("name", "flags", "n_rows"),
    [
        ("train", [*MODEL, *DATA, "--batch_size=4", "--n_batches=2"], 9),
        ("beam", [*MODEL, *DATA, "--n_users=3", "--n_beams=6"], 6),
        (
            "tokenizer",
            ["--rqvae.hidden_sizes=[8]", "--rqvae.codebook_sizes=[4]", "--n_items=40", "--n_dimensions=6"],
            4,
        ),
        ("evaluate", [*MODEL, *DATA, "--n_ranked=50", "--n_searched=2", "--n_beams=20"], 3),
        ("scale", [*MODEL, *DATA, "--axis=history", "--values=[2, 3]", "--batch=2"], 4),
    ],
)
def test_benchmark_prints_a_table_and_writes_json(name, flags, n_rows, tmp_path):
    out = tmp_path / "folder" / "speed.json"
    done = _speed(name, *flags, "--repeats=2", f"--out={out}")
    assert done.returncode == 0, done.stderr
    document = json.loads(out.read_text())
    assert len(document["rows"]) == n_rows
    for row in document["rows"]:
        assert row["name"] in done.stdout
        assert row["per_second"] > 0
        assert len(row["seconds"]) == 2
    if name == "beam":
        assert document["results_equal_to_generate"] == 1
    if name == "evaluate":
        assert document["largest_difference"] < 1e-9
    if name == "train":
        assert document["rows"][-1]["padding"] > document["rows"][0]["padding"]


def test_lengths_can_come_from_a_prepared_data_set(dataset_folder, tmp_path):
    out = tmp_path / "speed.json"
    flags = [*MODEL, *DATA, f"--data.dataset={dataset_folder}", "--batch_size=4", "--n_batches=1", "--repeats=1"]
    done = _speed("train", *flags, f"--out={out}")
    assert done.returncode == 0, done.stderr
    # Every history has one item, so only fixed padding pads: 19 of 20 places.
    padding = {row["name"]: row["padding"] for row in json.loads(out.read_text())["rows"]}
    assert padding.pop("transformers, fixed padding, fp32") == pytest.approx(19 / 20)
    assert set(padding.values()) == {0.0}


@pytest.fixture
def dataset_folder(tmp_path) -> Path:
    """Six users with two training items each."""
    offsets = np.arange(0, 25, 4)
    users = np.arange(6)
    folder = tmp_path / "data"
    folder.mkdir()
    RecDataset(
        items=np.arange(24, dtype=np.int32) % 9 + 1,
        offsets=offsets,
        train_ends=offsets[1:] - 2,
        validation=np.stack([users, offsets[1:] - 2], axis=1),
        test=np.stack([users, offsets[1:] - 1], axis=1),
        user_ids=[str(user) for user in users],
        item_ids=[str(item) for item in range(9)],
        titles=[""] * 9,
    ).save(folder)
    return folder


def test_unknown_benchmark_is_one_line_and_exit_code_2():
    done = _speed("trian")
    assert done.returncode == 2
    assert done.stderr == "error: benchmark 'trian' is unknown; allowed: train, beam, tokenizer, evaluate, scale\n"


def test_bad_value_is_one_line_and_exit_code_2():
    done = _speed("train", "--batch_size=0")
    assert done.returncode == 2
    assert done.stderr == "error: batch_size=0 is out of range; allowed: an integer >= 1\n"


def test_more_items_than_paths_are_one_line_and_exit_code_2():
    done = _speed("scale", "--data.codebook_size=4", "--data.n_levels=2", "--data.n_items=50", "--axis=beam")
    assert done.returncode == 2
    assert done.stderr == "error: n_items=50 is more than half of the 4^2 paths; raise codebook_size\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_missing_gpu_is_one_line_and_exit_code_2():
    done = _speed("beam", "--device=cuda")
    assert done.returncode == 2
    assert done.stderr == "error: device='cuda' is not available; allowed: cpu, or cuda on a machine with a GPU\n"
