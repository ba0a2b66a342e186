"""Token weights over the positions of an identifier: which code each weighting method pays for.

Training that weights tokens leaves its fitted tables in its stage folder, `token_weights.safetensors`: name -> (N + 1, L),
row 0 for padding, or (1, L) where all items have the same weights. With M identifiers per item the tables of the members
stand one below the other, (M * (N + 1), L), each with a padding row of its own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tigerlite.evaluation.canvas import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILE = "token_weights.safetensors"


def read_weights(folder: Path, n_items: int) -> dict[str, np.ndarray]:
    """Method -> weights (M * N, L) or (1, L) of the training stage in `folder`; empty where it weighted no tokens."""
    from safetensors.numpy import load_file

    if not (folder / FILE).is_file():
        return {}
    return {name: _without_padding(table, n_items) for name, table in load_file(folder / FILE).items()}


def plot_weight_profile(weights: Mapping[str, np.ndarray]) -> "Figure":
    """A line per method: the mean weight of every position, with the 5 % to 95 % range over items as a band.

    Args:
        weights: method -> (L,) weights of the positions, or (n, L) weights of every item's codes.

    Raises:
        InputError: without matplotlib.
    """
    figure, (axes,) = panels(1, width=5.0, height=3.2)
    for method, values in weights.items():
        values = np.atleast_2d(values)
        positions = np.arange(1, values.shape[1] + 1)
        (line,) = axes.plot(positions, values.mean(axis=0), marker="o", label=method.replace("_", " "))
        if len(values) > 1:
            low, high = np.quantile(values, [0.05, 0.95], axis=0)
            axes.fill_between(positions, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
        axes.set_xticks(positions)
    axes.axhline(1.0, color="black", linewidth=0.8, linestyle="--")
    axes.set(title="Weight of every code (dashed: plain cross-entropy)", xlabel="position in the identifier")
    axes.set_ylabel("weight: mean, band 5 % to 95 %")
    axes.legend(frameon=False, fontsize=8)
    return figure


def _without_padding(table: np.ndarray, n_items: int) -> np.ndarray:
    if len(table) == 1:
        return table
    return table.reshape(-1, n_items + 1, table.shape[1])[:, 1:].reshape(-1, table.shape[1])
