"""The same training in fp32 and bf16 over several seeds: what is measured of each run, and the table of differences."""

import csv
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tigerlite.stages.trainer_config import Context, TrainerConfig
from tigerlite.tracking import FILE

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}

Train = Callable[[int, Context, Path], dict[str, float]]


def compare(train: Train, n_seeds: int, device: str) -> list[dict[str, Any]]:
    """One row per measure: values of each seed in fp32 and bf16, and their differences; the precisions take turns.

    Args:
        train: called with seed, context and an empty folder; gives the measures of that run.
    """
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in PRECISIONS}
    accelerator = "gpu" if device == "cuda" else "cpu"
    for seed in range(n_seeds):
        for name, precision in PRECISIONS.items():
            context = Context(trainer=TrainerConfig(accelerator=accelerator, precision=precision, progress=False))
            with TemporaryDirectory() as folder:
                start = time.perf_counter()
                found = train(seed, context, Path(folder))
                runs[name].append({**found, "seconds": time.perf_counter() - start})
    measures = list(runs["fp32"][0])
    return [_row(measure, *([run[measure] for run in runs[name]] for name in PRECISIONS)) for measure in measures]


def report(rows: list[dict[str, Any]]) -> None:
    """Print mean +- standard deviation over seeds of both, and whether the difference is seed noise."""
    width = max(len(row["name"]) for row in rows)
    print(f"{'':{width}}  {'fp32':>19}  {'bf16':>19}  {'bf16 - fp32':>11}")
    for row in rows:
        cells = [f"{row[name]['mean']:8.4f} +- {row[name]['std']:7.4f}" for name in PRECISIONS]
        verdict = "" if row["within_noise"] is None else ("within" if row["within_noise"] else "beyond") + " seed noise"
        print(f"{row['name']:{width}}  {cells[0]:>19}  {cells[1]:>19}  {row['difference']:+11.4f}  {verdict}")
    print("seed noise: twice the standard error of the difference of two means over seeds")


def read_metric(folder: Path, name: str, best: Callable[[list[float]], float]) -> float:
    """The best of a metric's values over the epochs that a stage logged into its folder."""
    with (folder / FILE).open() as stream:
        values = [float(row["value"]) for row in csv.DictReader(stream) if row["name"] == name]
    return best(values)


def _row(measure: str, fp32: list[float], bf16: list[float]) -> dict[str, Any]:
    found = {
        name: {"values": values, "mean": statistics.mean(values), "std": _std(values)}
        for name, values in zip(PRECISIONS, (fp32, bf16), strict=True)
    }
    difference = found["bf16"]["mean"] - found["fp32"]["mean"]
    error = math.sqrt((found["fp32"]["std"] ** 2 + found["bf16"]["std"] ** 2) / len(fp32))
    # One seed says nothing about noise, and seconds are no quality.
    judged = len(fp32) > 1 and measure != "seconds"
    return {
        "name": measure,
        **found,
        "difference": difference,
        "noise": 2 * error,
        "within_noise": bool(abs(difference) <= 2 * error) if judged else None,
    }


def _std(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0
