"""All pictures of a set of results by name, and their files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tigerlite.evaluation.curves import Curve, alphas, plot_alpha, plot_losses
from tigerlite.evaluation.prefix import plot_prefix_match
from tigerlite.evaluation.slices import plot_deciles, plot_head_tail
from tigerlite.evaluation.transitions import contributions, plot_contributions
from tigerlite.evaluation.weight_profile import plot_weight_profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def slice_figures(slices: Mapping[str, Any]) -> dict[str, "Figure"]:
    """What `slices.json` shows: head and tail, deciles, transitions, and the prefix match where the model has identifiers.

    Raises:
        InputError: without matplotlib.
    """
    figures = {"head_tail": plot_head_tail(slices["head_tail"]), "deciles": plot_deciles(slices["deciles"])}
    if "transitions" in slices:  # results of earlier versions lack them
        figures["transitions"] = plot_contributions(contributions(slices["transitions"]))
    if slices["prefix_match"]:
        figures["prefix_match"] = plot_prefix_match(slices["prefix_match"])
    return figures


def training_figures(name: str, curves: Mapping[str, Curve], weights: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """What a training stage left: losses and validation, alpha where it mixes objectives, a profile where it weights tokens.

    Args:
        name: of the run, for legends.
        curves: what `read_curves` gives.
        weights: what `read_weights` gives.

    Raises:
        InputError: without matplotlib.
    """
    figures = {"training": plot_losses({name: curves})}
    if alphas(curves):
        figures["alpha"] = plot_alpha({name: curves})
    if weights:
        figures["weight_profile"] = plot_weight_profile(weights)
    return figures


def save_figures(figures: Mapping[str, "Figure"], folder: Path) -> dict[str, Path]:
    """Write `NAME.png` for every figure; gives the files by name."""
    files = {name: folder / f"{name}.png" for name in figures}
    for name, figure in figures.items():
        figure.savefig(files[name], dpi=110)
    return files
