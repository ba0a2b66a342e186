"""Soft identifiers in pictures: what training with a moving tokenizer logged, and how evenly codes are used."""

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tigerlite.config import InputError
from tigerlite.evaluation.canvas import panels
from tigerlite.evaluation.codes import LevelHealth
from tigerlite.evaluation.curves import FILE, Curve, read_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = (
    ("train/entropy/", "entropy of the mixtures, nats"),
    ("codes/changed/", "share of items whose code changed"),
    ("codes/perplexity/", "perplexity of the codes"),
    ("train/tokenizer_gradient", "gradient norm, tokenizer from L_rec"),
)
SOFT_FIGURE = "soft_training"


def soft_training(folders: Mapping[str, Path]) -> dict[str, "Figure"]:
    """`plot_soft_training` of the stage that trained the tokenizer with the recommender; empty where none did.

    Args:
        folders: stage folders by name.

    Raises:
        InputError: without matplotlib.
    """
    for stage in ("pretrain", "finetune"):
        if stage in folders and (folders[stage] / FILE).is_file():
            curves = read_curves(folders[stage])
            if SHOWN[-1][0] in curves:
                return {SOFT_FIGURE: plot_soft_training(curves)}
    return {}


def plot_soft_training(curves: Mapping[str, Curve]) -> "Figure":
    """Entropy, changes and use of the codes per level, and the gradient that reaches the tokenizer, over training.

    Entropy near 0 and a gradient of 0 say that the tokenizer is trained together with the recommender in name only.

    Args:
        curves: what `read_curves` gives for a stage of UniGRec.

    Raises:
        InputError: if the stage logged none of them, or without matplotlib.
    """
    groups = [(label, {name: curve for name, curve in curves.items() if name.startswith(key)}) for key, label in SHOWN]
    groups = [(label, found) for label, found in groups if found]
    if not groups:
        raise InputError("no curves of soft identifiers were logged; they exist for a stage of method=unigrec")
    figure, axes = panels(len(groups))
    for panel, (label, found) in zip(axes, groups, strict=True):
        for name, curve in sorted(found.items()):
            panel.plot(curve.steps, curve.values, marker=".", label=name.rpartition("/")[2])
        panel.set(title=label, xlabel="optimizer steps", ylim=(0, None))
        if len(found) > 1:
            panel.legend(frameon=False, fontsize=8)
    return figure


def usage_entropy(levels: Sequence[LevelHealth]) -> list[float]:
    """Entropy in bits of each level's use, log2 K where all codes are used alike.

    >>> usage_entropy([LevelHealth(size=4, used=2, dead=2, perplexity=2.0)])
    [1.0]
    """
    return [math.log2(level.perplexity) for level in levels]


def plot_usage_entropy(runs: Mapping[str, Sequence[LevelHealth]]) -> "Figure":
    """Bars per level: entropy of the codes' use in bits, a colour per run (the paper's comparison of UniGRec and TIGER).

    Dashed: even use of the largest codebook of the level.

    Args:
        runs: name of a run -> `codes_health` of its codes; runs may have different numbers of levels.

    Raises:
        InputError: without a run, or without matplotlib.
    """
    if not runs:
        raise InputError("there is no run to show; give the health of the codes of one at least")
    figure, (axes,) = panels(1, width=5.5, height=3.2)
    width = 0.8 / len(runs)
    for place, (run, levels) in enumerate(runs.items()):
        bits = usage_entropy(levels)
        centres = np.arange(1, len(bits) + 1) + (place - (len(runs) - 1) / 2) * width
        axes.bar(centres, bits, width=width, label=run)
    most = max(len(levels) for levels in runs.values())
    for number, same in enumerate(zip_longest(*runs.values()), start=1):
        even = math.log2(max(level.size for level in same if level is not None))
        axes.hlines(even, number - 0.45, number + 0.45, color="black", linewidth=0.8, linestyle="--")
    axes.set(xlabel="level", ylabel="entropy of use, bits", xticks=range(1, most + 1))
    axes.legend(frameon=False, fontsize=8, ncols=len(runs), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure
