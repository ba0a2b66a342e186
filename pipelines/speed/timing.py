"""Interleaved timing, the table that is printed, and the JSON that is written."""

import dataclasses
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tigerlite.config import to_dict


@dataclasses.dataclass(frozen=True)
class Case:
    """One row of a benchmark."""

    name: str
    """What is printed."""
    call: Callable[[], Any]
    """Does the work once."""
    baseline: str
    """The row it is compared with."""


def measure(cases: list[Case], repeats: int) -> dict[str, list[float]]:
    """Seconds per call and case; every round times each case once, so that drift of the machine falls on all alike."""
    seconds: dict[str, list[float]] = {case.name: [] for case in cases}
    for case in cases:
        case.call()  # warm-up: caches, allocator, lazy imports
    for _ in range(repeats):
        for case in cases:
            start = time.perf_counter()
            case.call()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds[case.name].append(time.perf_counter() - start)
    return seconds


def report(cases: list[Case], seconds: dict[str, list[float]], *, amount: int, unit: str) -> list[dict[str, Any]]:
    """Print and return one row per case: median rate, range, and the ratio of medians to its baseline.

    Args:
        amount: units of work done by one call.
        unit: what a unit is.
    """
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    rows = []
    width = max(len(case.name) for case in cases)
    print(f"{'':{width}}  {unit + '/s':>12}  {'(slowest - fastest)':>21}  ratio")
    for case in cases:
        times = seconds[case.name]
        row = {
            "name": case.name,
            "per_second": amount / medians[case.name],
            "slowest": amount / max(times),
            "fastest": amount / min(times),
            "ratio": medians[case.baseline] / medians[case.name],
            "baseline": case.baseline,
            "seconds": times,
        }
        span = f"({row['slowest']:.1f} - {row['fastest']:.1f})"
        print(f"{case.name:{width}}  {row['per_second']:12.1f}  {span:>21}  {row['ratio']:5.2f}x {case.baseline}")
        rows.append(row)
    return rows


def write(out: Path | None, benchmark: str, config: Any, rows: list[dict[str, Any]], **more: Any) -> None:
    """Write rows, settings and the machine as JSON, if `out` is given."""
    if out is None:
        return
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    document = {"benchmark": benchmark, "config": to_dict(config), "machine": machine, "rows": rows, **more}
    out.write_text(json.dumps(document, indent=2) + "\n")
