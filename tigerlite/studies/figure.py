"""The picture of a study: NDCG@10 of every row over seeds, and beside it every row's difference from the baseline over users."""

from typing import TYPE_CHECKING

from tigerlite.evaluation.canvas import panels
from tigerlite.studies.summary import PRIMARY, Row, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_study(title: str, summary: Summary) -> "Figure":
    """One line per row, the study's first on top; closed-form methods and published figures in grey.

    Left the mean over seeds with its standard deviation, and every seed as a dash. Right, where there is a row to compare, the
    paired difference from the baseline with its 95 % interval over users, as in the table.

    Raises:
        InputError: without matplotlib.
    """
    rows = [row for row in summary.rows if PRIMARY in row.metrics]
    compared = any(row.against for row in rows)
    figure, axes = panels(2 if compared else 1, width=5.5 if compared else 8, height=1.4 + 0.42 * len(rows))
    _values(axes[0], rows, summary.baseline)
    axes[0].set_xlabel(f"NDCG@10, {summary.settings['split']} split, mean ± standard deviation over seeds")
    if compared:
        _differences(axes[1], rows)
        axes[1].set_xlabel(f"difference from {summary.baseline}, 95 % over users (filled: without 0)")
    names = [row.name + (" (baseline)" if row.name == summary.baseline else "") for row in rows]
    axes[0].set_yticks(range(len(names)), names)
    for one in axes:
        one.locator_params(axis="x", nbins=6)  # numbers of five digits side by side
        one.set_ylim(len(names) - 0.4, -0.7)
        one.grid(axis="x", alpha=0.3)
    axes[0].set_title(title, loc="left")
    return figure


def _values(axes: "Axes", rows: list[Row], baseline: str) -> None:
    for place, row in enumerate(rows):
        value = row.metrics[PRIMARY]
        drawn = "grey" if not row.per_seed else "C1" if row.name == baseline else "C0"
        axes.errorbar(value.mean, place, xerr=value.std or 0.0, fmt="o", color=drawn, capsize=4)
        axes.plot(row.per_seed, [place] * len(row.per_seed), "|", color=drawn, markersize=9, alpha=0.6)
        axes.annotate(
            f"{value.mean:.4f}", (value.mean, place), (0, 7), textcoords="offset points", ha="center", fontsize=8
        )


def _differences(axes: "Axes", rows: list[Row]) -> None:
    """Filled where the interval excludes 0."""
    axes.axvline(0, color="C1", linewidth=1)
    axes.set_yticks([])
    for place, row in enumerate(rows):
        if row.against is None:
            continue
        found = row.against.users
        clear = found.low > 0 or found.high < 0
        axes.plot([found.low, found.high], [place, place], color="C0")
        axes.plot(found.difference, place, "o", color="C0", fillstyle="full" if clear else "none")
