"""Pictures of identifiers and of training, left in the stage's folder and shown in W&B, where matplotlib is installed.

`tigerlite report diagnostics RUN` draws the same of a finished run. The process that writes the stage's files calls them.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import item_counts
from tigerlite.evaluation.curves import read_curves
from tigerlite.evaluation.filtering import filter_ratio, plot_filter_ratio
from tigerlite.evaluation.pictures import save_figures, training_figures
from tigerlite.evaluation.purity import plot_purity_gain, purity_gain
from tigerlite.evaluation.weight_profile import read_weights
from tigerlite.tracking import Tracker


def show_codes(tracker: Tracker | None, stage: str, codes: np.ndarray, dataset: RecDataset, out: Path) -> None:
    """What each code of the identifiers (N, L) decides: arXiv 2601.17787, table 1 and figure 1."""
    if find_spec("matplotlib") is None:
        return
    figures = {
        "filter_ratio": plot_filter_ratio(filter_ratio(codes)),
        "purity_gain": plot_purity_gain(purity_gain(codes, item_counts(dataset)[1:])),
    }
    _show(tracker, stage, save_figures(figures, out))


def show_training(tracker: Tracker | None, stage: str, n_items: int, out: Path) -> None:
    """What a training stage that weights tokens left in `out`: curves, weights of its codes and, mixed, of its objectives."""
    if find_spec("matplotlib") is not None:
        figures = training_figures(stage, read_curves(out), read_weights(out, n_items))
        _show(tracker, stage, save_figures(figures, out))


def _show(tracker: Tracker | None, stage: str, files: dict[str, Path]) -> None:
    if tracker is not None:
        for name, file in files.items():
            tracker.figure(stage, name, file)
