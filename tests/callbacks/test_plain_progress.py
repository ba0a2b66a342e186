"""Plain progress: few lines, whatever the number of epochs, with the numbers of this run alone."""

import logging
import time
from types import SimpleNamespace

import pytest
import torch

from tigerlite.callbacks.plain_progress import PlainProgress


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A clock that the test turns."""
    state = SimpleNamespace(now=100.0)
    monkeypatch.setattr(time, "monotonic", lambda: state.now)
    return state


def run(clock, caplog, n_epochs, *, first=0, is_global_zero=True, metrics=None) -> list[str]:
    """Lines of a run of ten steps and two seconds an epoch."""
    caplog.set_level(logging.INFO)
    progress = PlainProgress("finetune")
    trainer = SimpleNamespace(
        current_epoch=first,
        global_step=first * 10,
        max_epochs=n_epochs,
        is_global_zero=is_global_zero,
        callback_metrics=metrics or {},
    )
    progress.on_train_start(trainer, None)
    for epoch in range(first, n_epochs):
        trainer.current_epoch, trainer.global_step = epoch, 10 * (epoch + 1)
        clock.now += 2.0
        progress.on_train_epoch_end(trainer, None)
    return caplog.messages


@pytest.mark.parametrize(("n_epochs", "n_lines"), [(1, 1), (3, 3), (10, 10), (100, 11), (10_000, 11)])
def test_a_stage_prints_about_a_dozen_lines_at_most(clock, caplog, n_epochs, n_lines):
    lines = run(clock, caplog, n_epochs)
    assert len(lines) == n_lines
    assert lines[-1].startswith(f"finetune epoch {n_epochs}/{n_epochs}")
    assert lines[-1].endswith("ETA 0s")


def test_a_line_has_what_was_measured_the_rate_and_the_time_left(clock, caplog):
    metrics = {"finetune/valid/ndcg@10": torch.tensor(0.03125), "finetune/train/loss": torch.tensor(4.5)}
    lines = run(clock, caplog, 5, metrics=metrics)
    assert lines[1] == "finetune epoch 2/5  train/loss 4.5  valid/ndcg@10 0.03125  5.0 steps/s  ETA 6s"


def test_a_resumed_run_measures_only_what_it_does_itself(clock, caplog):
    lines = run(clock, caplog, 10, first=8)
    assert [line.split("  ")[-2:] for line in lines] == [["5.0 steps/s", "ETA 2s"], ["5.0 steps/s", "ETA 0s"]]


def test_only_the_first_process_speaks(clock, caplog):
    assert run(clock, caplog, 3, is_global_zero=False) == []
