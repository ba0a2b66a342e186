"""Metrics always land in one CSV file; W&B gets one offline run with stage prefixes."""

import csv

import pytest

from tigerlite.config import ConfigError, InputError
from tigerlite.tracking import Tracker, TrackingConfig, append_metrics


def rows(folder):
    with (folder / "metrics.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_rows_are_appended_across_trackers_and_infinities_dropped(tmp_path):
    Tracker(tmp_path, TrackingConfig()).log("tokenize", {"loss": 1.5, "bad": float("nan")}, step=3)
    Tracker(tmp_path, TrackingConfig()).log("finetune", {"loss": 0.5}, step=1)
    assert [(row["stage"], row["step"], row["name"], float(row["value"])) for row in rows(tmp_path)] == [
        ("tokenize", "3", "loss", 1.5),
        ("finetune", "1", "loss", 0.5),
    ]


def test_only_the_first_process_writes(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    Tracker(tmp_path, TrackingConfig()).log("tokenize", {"loss": 1.0})
    assert not (tmp_path / "metrics.csv").exists()


class FakeRun:
    def __init__(self):
        self.logged, self.defined, self.summary, self.finished = [], [], {}, False

    def define_metric(self, name, step_metric):
        self.defined.append((name, step_metric))

    def log(self, values):
        self.logged.append(values)

    def finish(self):
        self.finished = True


def test_one_wandb_run_serves_all_stages_with_a_step_of_their_own(tmp_path, monkeypatch):
    import wandb

    fake, arguments = FakeRun(), {}
    monkeypatch.setattr(wandb, "init", lambda **given: arguments.update(given) or fake)
    tracker = Tracker(tmp_path, TrackingConfig(wandb=True, project="p", group="g", mode="offline"), {"seed": 1})
    tracker.log("tokenize", {"tokenize/train/loss": 2.0}, step=5)
    tracker.log("finetune", {"train/loss": 1.0}, step=1)
    tracker.summary({"ndcg@10": 0.1})
    tracker.finish()
    assert (arguments["project"], arguments["group"]) == ("p", "g")
    assert arguments["mode"] == "offline"
    assert arguments["config"] == {"seed": 1}
    assert fake.defined == [("tokenize/*", "tokenize/step"), ("finetune/*", "finetune/step")]
    assert fake.logged == [
        {"tokenize/step": 5, "tokenize/train/loss": 2.0},
        {"finetune/step": 1, "finetune/train/loss": 1.0},
    ]
    assert fake.summary == {"ndcg@10": 0.1}
    assert fake.finished


def test_curves_of_a_stage_that_was_finished_before_are_shown_again(tmp_path, monkeypatch):
    import wandb

    fake = FakeRun()
    monkeypatch.setattr(wandb, "init", lambda **given: fake)
    append_metrics(tmp_path / "stage" / "metrics.csv", "finetune", {"finetune/train/loss": 2.0, "epoch": 0}, 4)
    append_metrics(tmp_path / "stage" / "metrics.csv", "finetune", {"finetune/valid/ndcg@10": 0.25}, 9)
    Tracker(tmp_path, TrackingConfig()).replay("finetune", tmp_path / "stage")  # without W&B nobody looks
    tracker = Tracker(tmp_path, TrackingConfig(wandb=True))
    tracker.replay("prepare", tmp_path / "prepared")  # trained nothing
    tracker.replay("finetune", tmp_path / "stage")
    assert fake.logged == [
        {"finetune/step": 4, "finetune/train/loss": 2.0, "finetune/epoch": 0.0},
        {"finetune/step": 9, "finetune/valid/ndcg@10": 0.25},
    ]
    assert fake.defined == [("finetune/*", "finetune/step")]
    assert not (tmp_path / "metrics.csv").exists()


def test_a_missing_wandb_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(InputError, match="wandb is not installed; run pip install wandb"):
        Tracker(tmp_path, TrackingConfig(wandb=True))


def test_an_unknown_mode_is_refused():
    with pytest.raises(ConfigError, match="mode='offlin' is unknown.*did you mean 'offline'"):
        TrackingConfig(mode="offlin")
