"""What training logged, as curves: losses, validation metrics, and the mixing weights of several objectives.

Figure 5 of arXiv 2601.17787 shows how much each objective weighs (alpha) as training goes on; training logs them as
`STAGE/trajectory/alpha/OBJECTIVE` in the `metrics.csv` of its stage folder (`callbacks/loss_trajectory.py`).
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tigerlite.config import InputError
from tigerlite.evaluation.canvas import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILE = "metrics.csv"
ALPHA = "trajectory/alpha/"


@dataclass(frozen=True, eq=False)
class Curve:
    """One logged number over training."""

    steps: np.ndarray
    """(P,) optimizer steps, ascending."""
    values: np.ndarray
    """(P,)."""


def read_curves(folder: Path) -> dict[str, Curve]:
    """What the training stage in `folder` logged, by name without the stage (`train/loss`, `valid/ndcg@10`, ...).

    A step that was logged twice, before and after an interruption, has its later value.

    Raises:
        InputError: if the stage trained nothing.
    """
    file = folder / FILE
    if not file.is_file():
        raise InputError(f"{file} does not exist: {folder.name} holds no training curves; give a stage that trains")
    found: dict[str, dict[float, float]] = {}
    with file.open() as stream:
        for row in csv.DictReader(stream):
            name = row["name"].removeprefix(f"{row['stage']}/")
            found.setdefault(name, {})[float(row["step"])] = float(row["value"])
    return {name: _curve(points) for name, points in found.items()}


def alphas(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """The mixing weights among the curves, by objective; empty where one objective was trained alone."""
    return {name.removeprefix(ALPHA): curve for name, curve in curves.items() if name.startswith(ALPHA)}


def plot_alpha(runs: Mapping[str, Mapping[str, Curve]]) -> "Figure":
    """A panel per run that mixes objectives, a line per objective: its weight in the loss over training.

    Args:
        runs: name of a run -> what `read_curves` gives.

    Raises:
        InputError: if no weights were logged, or without matplotlib.
    """
    mixed = {run: weights for run, curves in runs.items() if (weights := alphas(curves))}
    if not mixed:
        raise InputError("no mixing weights were logged; they exist for a run that mixes several objectives")
    figure, axes = panels(len(mixed), width=4.5, height=3.2)
    for panel, (run, weights) in zip(axes, mixed.items(), strict=True):
        for place, (objective, curve) in enumerate(weights.items()):
            # Objectives that a curriculum moves alike lie on each other, so each line is thinner than the one below.
            panel.plot(curve.steps, curve.values, linewidth=4.5 / (place + 1), label=objective.replace("_", " "))
        panel.set(title=run, xlabel="optimizer steps", ylabel="weight of the objective (alpha)", ylim=(-0.03, 1.03))
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def plot_losses(runs: Mapping[str, Mapping[str, Curve]]) -> "Figure":
    """Training loss, validation loss and validation NDCG@10 in a panel each, a line per run.

    The training loss is that of the run's own objective; across objectives only the validation panels compare.

    Args:
        runs: name of a run -> what `read_curves` gives.

    Raises:
        InputError: without matplotlib.
    """
    shown = (
        ("train/loss", "training loss"),
        ("valid/loss", "validation loss"),
        ("valid/ndcg@10", "validation NDCG@10"),
    )
    figure, axes = panels(len(shown))
    for panel, (name, title) in zip(axes, shown, strict=True):
        for run, curves in runs.items():
            if name in curves:
                panel.plot(curves[name].steps, curves[name].values, marker=".", label=run)
        panel.set(title=title, xlabel="optimizer steps")
    if len(runs) > 1:
        axes[0].legend(frameon=False, fontsize=8)
    return figure


def _curve(points: Mapping[float, float]) -> Curve:
    steps = sorted(points)
    return Curve(np.array(steps), np.array([points[step] for step in steps]))
