"""One picture of a run: the learning curve, how evenly the codes are used, and the test metrics beside the baselines.

A run that trained its tokenizer with the recommender has a second one, `soft_training.png` (`soft_codes.py`). A panel is left out
where the run has nothing to show in it: closed forms learn no curve, classic methods use no codes.
"""

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tigerlite.evaluation.pictures import save_figures
from tigerlite.evaluation.report import method_order
from tigerlite.evaluation.soft_codes import soft_training

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURE = "run.png"


def save_figure(folders: dict[str, Path]) -> None:
    """Write `run.png` (and `soft_training.png`) beside the stage folders of an evaluated run, if matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    if "evaluate" in folders:
        plot_run(folders).savefig(folders["evaluate"].parent / FIGURE, dpi=110)
        save_figures(soft_training(folders), folders["evaluate"].parent)


def plot_run(folders: dict[str, Path]) -> "Figure":
    """The picture of a finished run, from its stage folders by name."""
    from matplotlib.figure import Figure

    curve = folders.get("finetune", folders.get("pretrain")) / "metrics.csv"
    panels = [lambda axes: _methods(axes, _read(folders["evaluate"] / "metrics.json"))]
    if "tokenize" in folders:
        panels.insert(0, lambda axes: _code_usage(axes, _read(folders["tokenize"] / "codebook_health.json")))
    if curve.exists():
        panels.insert(0, lambda axes: _learning_curve(axes, curve))
    figure = Figure(figsize=(1 + 4 * len(panels), 3.8), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        panel(axes)
    return figure


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))


def _learning_curve(axes: "Axes", file: Path) -> None:
    curves: dict[str, list[tuple[float, float]]] = {}
    with file.open() as stream:
        for row in csv.DictReader(stream):
            curves.setdefault(row["name"].partition("/")[2], []).append((float(row["step"]), float(row["value"])))
    losses = axes.twinx()
    for name, on, colour in (("valid/ndcg@10", axes, "C0"), ("train/loss", losses, "C1"), ("valid/loss", losses, "C3")):
        steps, values = zip(*sorted(curves.get(name, [(0.0, float("nan"))])), strict=True)
        on.plot(steps, values, colour, marker=".", label=name)
    axes.set(title="Training", xlabel="optimiser steps", ylabel="NDCG@10 (validation)")
    losses.set_ylabel("loss")
    lines = [*axes.get_lines(), *losses.get_lines()]
    axes.legend(lines, [str(line.get_label()) for line in lines], frameon=False, fontsize=8, loc="center right")


def _code_usage(axes: "Axes", health: dict[str, Any]) -> None:
    """Perplexity and codes in use as shares of the codebook, per level."""
    levels = health["levels"]
    places = np.arange(len(levels))
    axes.bar(places - 0.2, [level["used"] / level["size"] for level in levels], 0.4, label="codes in use")
    axes.bar(places + 0.2, [level["perplexity"] / level["size"] for level in levels], 0.4, label="perplexity")
    axes.set_xticks(
        places, [f"level {place + 1}\n({level['size']} codes)" for place, level in zip(places, levels, strict=True)]
    )
    axes.set(title=f"Identifiers: {health['collision_rate']:.1%} collide before resolution", ylim=(0, 1.25))
    axes.set_ylabel("share of the codebook")
    axes.legend(frameon=False, ncols=2, loc="upper center", fontsize=8)


def _methods(axes: "Axes", found: dict[str, Any]) -> None:
    methods = method_order(found["metrics"])
    places = np.arange(len(methods))
    for shift, name in ((-0.2, "recall@10"), (0.2, "ndcg@10")):
        values = [found["metrics"][method][name] for method in methods]
        errors = [found["metrics"][method][f"{name}_se"] for method in methods]
        axes.bar(places + shift, values, 0.4, yerr=errors, capsize=3, label=name)
    axes.set_xticks(places, methods)
    axes.set(title=f"{found['settings']['split'].capitalize()} split, mean and standard error", ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)
