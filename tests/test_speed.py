import contextlib
import io
import json
import runpy
import sys
import warnings
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import pytest
import torch

from tigerlite.data.dataset import RecDataset

SPEED = Path(__file__).resolve().parent.parent / "pipelines" / "speed.py"
TINY = ["n_encoder_layers=1", "n_decoder_layers=1", "d_model=8", "n_heads=2", "d_kv=4", "d_ff=8"]
MODEL = [f"--model.{flag}" for flag in TINY]
DATA = ["--data.codebook_size=8", "--data.n_items=50", "--data.n_levels=3", "--data.n_users=20"]


class Done(NamedTuple):
    """What a call of the script left behind."""

    returncode: int
    stdout: str
    stderr: str


def _speed(*arguments: str) -> Done:
    """Run the script in this process: a process of its own would spend most of its time importing torch."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    argv, path = [str(SPEED), *map(str, arguments)], [str(SPEED.parent), *sys.path]
    with mock.patch.object(sys, "argv", argv), mock.patch.object(sys, "path", path), warnings.catch_warnings():
        warnings.simplefilter("default")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                runpy.run_path(str(SPEED), run_name="__main__")
            except SystemExit as ended:
                code = int(ended.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


@pytest.mark.parametrize(
    ("name", "flags", "n_rows"),
    [
        ("train", [*MODEL, *DATA, "--batch_size=4", "--n_batches=2"], 9),
        ("nextitem", ["--model.d_model=8", "--model.d_ff=8", *DATA, "--batch_size=8", "--n_batches=2"], 5),
        ("beam", [*MODEL, *DATA, "--n_users=3", "--n_beams=6"], 6),
        (
            "tokenizer",
            [
                *("--rqvae.hidden_sizes=[8]", "--rqvae.codebook_sizes=[4]", "--n_items=40", "--n_dimensions=6"),
                *("--n_large=300", "--large_width=8", "--large_codes=16"),
            ],
            4 + 3 + 5,
        ),
        ("evaluate", [*MODEL, *DATA, "--n_ranked=50", "--n_searched=2", "--n_beams=20"], 3),
        ("mtgrec", [*MODEL, *DATA, "--batch_size=4", "--n_batches=2", "--n_members=3", "--bank_items=500"], 2),
        (
            "unigrec",
            [
                *(*MODEL, *DATA, "--batch_size=8", "--n_batches=2", "--n_dimensions=6", "--teacher_width=4"),
                *("--tokenizer.hidden_sizes=[8]", "--tokenizer.latent=4", "--tokenizer.codebook_sizes=[8, 8, 8]"),
            ],
            3,
        ),
        ("allocator", [f"--training.{flag[2:]}" for flag in (*MODEL, *DATA, "--batch_size=4", "--n_batches=1")], 8),
        ("scale", [*MODEL, *DATA, "--axis=history", "--values=[2, 3]", "--batch=2"], 4),
    ],
)
def test_benchmark_prints_a_table_and_writes_json(name, flags, n_rows, tmp_path):
    out = tmp_path / "folder" / "speed.json"
    repeats = "--training.repeats=2" if name == "allocator" else "--repeats=2"
    done = _speed(name, *flags, repeats, f"--out={out}")
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
    if name == "nextitem":
        assert document["rows"][2]["padding"] > document["rows"][0]["padding"]


def test_the_influence_benchmark_scores_every_member_by_both_estimators(tmp_path):
    out = tmp_path / "influence.json"
    sizes = ("--n_users=60", "--n_groups=2", "--updates=3", "--share=0.5", "--shuffled=[0, 0.1, 0.3, 1]")
    done = _speed("influence", *MODEL, *sizes, f"--out={out}")
    assert done.returncode == 0, done.stderr
    document = json.loads(out.read_text())
    assert [(row["name"], row["groups"]) for row in document["rows"]] == [
        ("reference", "others"),
        ("directional", "others"),
        ("reference", "all"),
        ("directional", "all"),
    ]
    assert all(sum(row["p"]) == pytest.approx(1) and len(row["scores"]) == 4 for row in document["rows"])
    assert document["cost_ratio_all"] > 0
    assert -1 <= document["spearman_others"] <= 1


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


TINY_TIGER = [f"--tiger.t5.{flag}" for flag in TINY] + ["--tiger.epochs=1", "--tiger.batch_size=64"]
RING = ["--data.n_users=40", "--data.n_items=40", "--data.width=6", "--n_seeds=2"]
TINY_RQVAE = ["--rqvae.hidden_sizes=[8]", "--rqvae.codebook_sizes=[8, 8]", "--rqvae.epochs=2", "--rqvae.latent=4"]


@pytest.mark.parametrize(
    ("name", "flags", "measures"),
    [
        ("precision", TINY_TIGER, ["ndcg@10", "loss"]),
        (
            "tokenizer_quality",
            [*TINY_RQVAE, "--downstream=true", *TINY_TIGER],
            ["reconstruction", "perplexity, level 1", "perplexity, level 2", "collision rate", "downstream ndcg@10"],
        ),
    ],
)
def test_quality_in_two_precisions_is_compared_over_seeds(name, flags, measures, tmp_path):
    out = tmp_path / "quality.json"
    done = _speed(name, *flags, *RING, f"--out={out}")
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())["rows"]
    assert [row["name"] for row in rows] == [*measures, "seconds"]
    for row in rows:
        assert f"{row['name']} " in done.stdout
        fp32, bf16 = row["fp32"]["values"], row["bf16"]["values"]
        assert len(fp32) == len(bf16) == 2
        assert row["difference"] == pytest.approx(sum(bf16) / 2 - sum(fp32) / 2)
        noise = 2 * np.sqrt((np.var(fp32, ddof=1) + np.var(bf16, ddof=1)) / 2)
        assert row["noise"] == pytest.approx(noise)
        expected = None if row["name"] == "seconds" else abs(row["difference"]) <= row["noise"]
        assert row["within_noise"] == expected
    # Something differs, so the precisions were really set.
    assert any(row["fp32"]["values"] != row["bf16"]["values"] for row in rows[:-1])


@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_shares_of_a_profile_add_up_to_one_and_hold_the_matrix_products(attention, tmp_path):
    out = tmp_path / "profile.json"
    flags = [*MODEL, *DATA, "--batch_size=4", "--n_batches=2", f"--attention={attention}"]
    done = _speed("profile", *flags, f"--out={out}")
    assert done.returncode == 0, done.stderr
    shares = {row["name"]: row["share"] for row in json.loads(out.read_text())["rows"]}
    assert sum(shares.values()) == pytest.approx(1)
    assert {"matrix products", "elementwise", "dropout masks", "optimizer and clipping"} <= set(shares)


@pytest.mark.parametrize(("least", "code", "verdict"), [(0.01, 0, " ok"), (1.0, 1, "COLLAPSED: below 1.0")])
def test_collapse_prints_the_level_that_is_used_least_and_fails_below_the_limit(
    toy_settings, tmp_path, least, code, verdict
):
    (tmp_path / "films.yaml").write_text(json.dumps({**toy_settings, "out": "nowhere"}))
    out = tmp_path / "collapse.json"
    flags = [f"--configs=[{tmp_path}/films.yaml]", "--n_seeds=2", f"--least={least}", f"--results={tmp_path}/runs"]
    done = _speed("collapse", *TINY_RQVAE, *flags, f"--out={out}")
    assert done.returncode == code, done.stderr
    (row,) = json.loads(out.read_text())["rows"]
    health = [json.loads(file.read_text()) for file in (tmp_path / "runs").glob("*/tokenize-*/codebook_health.json")]
    expected = [min(level["perplexity"] / level["size"] for level in found["levels"]) for found in health]
    assert sorted(row["lowest_perplexity"]) == pytest.approx(sorted(expected))
    assert verdict in done.stdout


def test_folders_that_are_not_one_per_config_are_one_line():
    done = _speed("collapse", "--folders=[a, b]")
    assert done.returncode == 2
    assert done.stderr == "error: folders has 2 entries but configs 1; give one each, or null\n"


@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_the_cost_of_an_objective_is_a_ratio_of_paired_steps(attention, tmp_path):
    out = tmp_path / "objective.json"
    flags = [*MODEL, *DATA, "--batch_size=4", "--n_batches=2", "--repeats=3", f"--attention={attention}"]
    done = _speed("objective", *flags, f"--out={out}")
    assert done.returncode == 0, done.stderr
    document = json.loads(out.read_text())
    plain, full = (np.array(row["seconds"]) for row in document["rows"])
    assert len(plain) == len(full) == 6
    assert document["ratio"] == pytest.approx(float(np.median(full / plain)))
    assert document["low"] <= document["ratio"] <= document["high"]
    assert "6 pairs: ratio" in done.stdout


def test_identifiers_without_their_data_set_are_one_line_and_exit_code_2():
    done = _speed("precision", "--data.bank=folder")
    assert done.returncode == 2
    assert done.stderr == "error: data.bank=folder belongs to a data set; set data.dataset too\n"


def test_a_data_set_without_its_identifiers_is_one_line_and_exit_code_2(dataset_folder):
    done = _speed("precision", f"--data.dataset={dataset_folder}")
    assert done.returncode == 2
    message = "error: data.dataset is given without its identifiers; set data.bank to the tokenize folder\n"
    assert done.stderr == message


def test_unknown_benchmark_is_one_line_and_exit_code_2():
    done = _speed("trian")
    names = (
        "train, nextitem, beam, tokenizer, tokenizer_quality, collapse, evaluate, scale, precision, profile, allocator"
    )
    names += ", objective, mtgrec, influence, unigrec"
    assert done.returncode == 2
    assert done.stderr == f"error: benchmark 'trian' is unknown; allowed: {names}\n"


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
