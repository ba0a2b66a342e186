"""How far identifiers drift while a tokenizer trains: the share of items whose codes differ between two of its epochs.

MTGRec (arXiv 2504.04400, Table 5) reports the first and any token at gaps of 1 to 30 epochs; on Instruments 2023 .39 % and
13.58 % at gap 1, .87 % and 54.94 % at gap 30. Members that differ little in the first code and more in the last are
what makes them related views of an item, unlike tokenizers of other seeds, of which nearly all codes differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tigerlite.config import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAPS = (1, 5, 10, 20, 30)


@dataclass(frozen=True)
class Drift:
    """Change over one gap, averaged over all pairs of epochs that are so far apart."""

    gap: int
    """Epochs."""
    n_pairs: int
    """Pairs of epochs."""
    first: float
    """Share of items whose first code differs."""
    any: float
    """Share of items of which some code differs."""
    levels: tuple[float, ...]
    """Share per level."""


def code_drift(codes: np.ndarray, epochs: Sequence[int], gaps: Sequence[int] = GAPS) -> list[Drift]:
    """Drift over every gap that occurs between the epochs; gaps that do not are left out.

    Args:
        codes: (M, N, L), one member per epoch, in any order.
        epochs: M different numbers.
        gaps: epochs.

    Raises:
        InputError: if there are not as many epochs as members.

    >>> codes = np.array([[[0, 1], [2, 3]], [[0, 2], [2, 3]]])
    >>> code_drift(codes, [7, 8])
    [Drift(gap=1, n_pairs=1, first=0.0, any=0.5, levels=(0.0, 0.5))]
    """
    if len(epochs) != len(codes) or len(set(epochs)) < len(epochs):
        raise InputError(f"{len(codes)} members need as many different epochs; got {list(epochs)}")
    member = {int(epoch): codes[place] for place, epoch in enumerate(epochs)}
    found = []
    for gap in gaps:
        changed = [member[epoch] != member[epoch + gap] for epoch in sorted(member) if epoch + gap in member]
        if changed:
            levels = np.mean([pair.mean(axis=0) for pair in changed], axis=0)
            some = float(np.mean([pair.any(axis=1).mean() for pair in changed]))
            found.append(Drift(gap, len(changed), float(levels[0]), some, tuple(levels.tolist())))
    return found


def plot_drift(drifts: Sequence[Drift]) -> "Figure":
    """Share of items with a changed first code, and with any changed code, over the gap.

    Raises:
        InputError: without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise InputError("plots need matplotlib: pip install 'tigerlite[plots]'") from None

    figure = Figure(figsize=(4.5, 3.2), layout="constrained")
    axes = figure.subplots()
    gaps = [drift.gap for drift in drifts]
    axes.plot(gaps, [100 * drift.any for drift in drifts], marker="o", label="any code")
    axes.plot(gaps, [100 * drift.first for drift in drifts], marker="o", label="first code")
    axes.set(xlabel="epochs between two members", ylabel="items changed, %", ylim=(0, None))
    axes.legend(frameon=False)
    return figure


def plot_probabilities(records: Sequence[dict]) -> "Figure":
    """How often each member is drawn, update by update, from the records in a stage's `groups.json`.

    Raises:
        InputError: without matplotlib, or if there was no update.
    """
    if not records:
        raise InputError(
            "there are no updates to plot; set identifiers.sampling.influence and warmup_epochs below epochs"
        )
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise InputError("plots need matplotlib: pip install 'tigerlite[plots]'") from None

    figure = Figure(figsize=(5.5, 3.2), layout="constrained")
    axes = figure.subplots()
    epochs = [record["epoch"] for record in records]
    for member, shares in enumerate(zip(*(record["p"] for record in records), strict=True)):
        axes.plot(epochs, shares, marker=".", label=str(member))
    axes.axhline(1 / len(records[0]["p"]), color="black", linewidth=0.8, linestyle="--")
    axes.set(xlabel="epoch of the update", ylabel="p (dashed: uniform)", ylim=(0, None))
    axes.legend(title="member", frameon=False, fontsize=7, ncols=2)
    return figure
