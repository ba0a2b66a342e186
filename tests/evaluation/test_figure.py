"""The picture of a run shows the numbers of its files."""

import csv
import json

import pytest

from tigerlite.evaluation.figure import FIGURE, plot_run, save_figure

LEVELS = [{"size": 8, "used": 6, "perplexity": 4.0}, {"size": 4, "used": 4, "perplexity": 3.0}]
METRICS = {
    method: {"recall@10": value, "recall@10_se": 0.01, "ndcg@10": value / 2, "ndcg@10_se": 0.005}
    for method, value in (("tiger", 0.08), ("popularity", 0.04))
}


@pytest.fixture
def run(tmp_path):
    """A run's folder with only what the picture reads."""
    folders = {name: tmp_path / f"{name}-1" for name in ("tokenize", "finetune", "evaluate")}
    for folder in folders.values():
        folder.mkdir()
    with (folders["finetune"] / "metrics.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("stage", "step", "name", "value"))
        writer.writerows(
            ("finetune", step, f"finetune/{name}", value)
            for step, name, value in [(10, "valid/ndcg@10", 0.01), (20, "valid/ndcg@10", 0.02), (20, "train/loss", 3.5)]
        )
    (folders["tokenize"] / "codebook_health.json").write_text(json.dumps({"collision_rate": 0.125, "levels": LEVELS}))
    (folders["evaluate"] / "metrics.json").write_text(json.dumps({"metrics": METRICS, "settings": {"split": "test"}}))
    (tmp_path / "run.json").write_text(json.dumps({name: folder.name for name, folder in folders.items()}))
    return folders


def test_curves_bars_and_labels_hold_the_files_numbers(run):
    curve, usage, bars, losses = plot_run(run).axes
    assert curve.get_lines()[0].get_xydata().tolist() == [[10, 0.01], [20, 0.02]]
    assert losses.get_lines()[0].get_xydata().tolist() == [[20, 3.5]]
    assert [bar.get_height() for bar in usage.patches] == [6 / 8, 4 / 4, 4 / 8, 3 / 4]
    assert usage.get_title() == "Identifiers: 12.5% collide before resolution"
    assert [bar.get_height() for bar in bars.patches] == [0.04, 0.08, 0.02, 0.04]
    assert [label.get_text() for label in bars.get_xticklabels()] == ["popularity", "tiger"]


def test_a_panel_without_numbers_is_left_out(run):
    del run["tokenize"]
    assert [axes.get_title() for axes in plot_run(run).axes if axes.get_title()] == [
        "Training",
        "Test split, mean and standard error",
    ]
    (run["finetune"] / "metrics.csv").unlink()
    assert len(plot_run(run).axes) == 1


def test_an_evaluated_run_gets_a_picture_and_another_none(run, tmp_path):
    save_figure(run)
    assert (tmp_path / FIGURE).read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "soft_training.png").exists()
    (tmp_path / FIGURE).unlink()
    save_figure({"tokenize": run["tokenize"]})
    assert not (tmp_path / FIGURE).exists()
