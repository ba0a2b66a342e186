"""The picture of a study: NDCG@10 of every row, mean and standard deviation over seeds, and every seed as a dot."""

from typing import TYPE_CHECKING

from tigerlite.studies.summary import PRIMARY, Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_study(title: str, summary: Summary) -> "Figure":
    """One line per row, the study's first on top; closed-form methods and published figures in grey."""
    from matplotlib.figure import Figure

    rows = [row for row in summary.rows if PRIMARY in row.metrics]
    figure = Figure(figsize=(8, 1.4 + 0.42 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows):
        value = row.metrics[PRIMARY]
        drawn = "grey" if not row.per_seed else "C1" if row.name == summary.baseline else "C0"
        axes.errorbar(value.mean, place, xerr=value.std or 0.0, fmt="o", color=drawn, capsize=4)
        axes.plot(row.per_seed, [place] * len(row.per_seed), "|", color=drawn, markersize=9, alpha=0.6)
        axes.annotate(
            f"{value.mean:.4f}", (value.mean, place), (0, 7), textcoords="offset points", ha="center", fontsize=8
        )
    names = [row.name + (" (baseline)" if row.name == summary.baseline else "") for row in rows]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.7)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel(f"NDCG@10 on the {summary.settings['split']} split, mean ± standard deviation over seeds")
    axes.set_title(title, loc="left")
    return figure
