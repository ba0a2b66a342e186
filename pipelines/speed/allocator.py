"""What keeping freed memory brings: our training steps under glibc's own thresholds and under ours, call by call.

A timed call sets its thresholds and makes two passes: the first also pays for what the other thresholds left behind.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from speed import train
from speed.timing import PRECISIONS, Case, measure, report, write
from tigerlite.allocator import KEPT, SYSTEM, keep_freed_memory
from tigerlite.config import InputError

ATTENTION = ("bidirectional", "causal")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark."""

    training: train.Config = field(default_factory=train.Config)
    """What a step trains."""
    out: Path | None = None
    """JSON file to write."""


def run(config: Config) -> None:
    """Measure, print, write."""
    if not (keep_freed_memory(SYSTEM) and keep_freed_memory()):
        raise InputError("the C library of this machine is not glibc, so there is nothing to set")
    cases = [
        Case(
            name=f"{attention}, {precision}, {name}",
            call=_under(train.training_steps(config.training, attention, precision), thresholds),
            amount=2,
            baseline=f"{attention}, {precision}, system",
            precision=precision,
        )
        for attention in ATTENTION
        for precision in PRECISIONS
        for name, thresholds in (("system", SYSTEM), ("kept", KEPT))
    ]
    print(
        f"batch {config.training.batch_size}, {torch.get_num_threads()} threads; a pass = {config.training.n_batches} steps"
    )
    rows = report(cases, measure(cases, config.training.repeats, "cpu"), unit="passes", device="cpu")
    write(config.out, "allocator", config, rows)


def _under(call: Callable[[], None], thresholds: dict[int, int]) -> Callable[[], None]:
    def both() -> None:
        keep_freed_memory(thresholds)
        call()
        call()

    return both
