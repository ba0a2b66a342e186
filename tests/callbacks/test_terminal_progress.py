"""One bar for a whole stage: steps of all epochs, rate, remaining time, the latest numbers; the terminal is given back."""

import io
import re
from types import SimpleNamespace

import torch
from rich.console import Console

from tigerlite.callbacks.terminal_progress import TerminalProgress


def trainer(**changes) -> SimpleNamespace:
    fields = {
        "is_global_zero": True,
        "estimated_stepping_batches": 6,
        "global_step": 0,
        "current_epoch": 0,
        "max_epochs": 2,
        "callback_metrics": {"finetune/valid/ndcg@10": torch.tensor(0.25), "finetune/level1/dead": torch.tensor(3.0)},
    }
    return SimpleNamespace(**(fields | changes))


def drawn(is_global_zero: bool = True) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=160)
    bar, state = TerminalProgress("finetune", console), trainer(is_global_zero=is_global_zero)
    bar.on_train_start(state, None)
    for epoch in range(2):
        state.current_epoch = epoch
        for _ in range(3):
            state.global_step += 1
            bar.on_train_batch_end(state, None, None, None, 0)
        bar.on_train_epoch_end(state, None)
    bar.on_train_end(state, None)
    return console.file.getvalue()


def test_the_bar_counts_the_steps_of_all_epochs_and_shows_the_latest_numbers():
    last = [line for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn()).splitlines() if line.strip()][-1]
    for part in ("finetune epoch 2/2", "6/6", "steps/s", "valid/ndcg@10 0.25"):
        assert part in last


def test_other_processes_draw_nothing():
    assert drawn(is_global_zero=False) == ""


def test_an_exception_gives_the_terminal_back():
    console = Console(file=io.StringIO(), force_terminal=True, width=160)
    bar = TerminalProgress("finetune", console)
    bar.on_train_start(trainer(), None)
    bar.on_exception(trainer(), None, RuntimeError())
    assert console.file.getvalue().endswith("\x1b[?25h")  # the cursor is shown again
