"""The identifier report as a person reads it: one table with a column per level, on the terminal, as Markdown, as a picture."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tigerlite.evaluation.co_interaction import WINDOW
from tigerlite.evaluation.identifiers import IdentifierReport, verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NONE = "–"

Row = tuple[str, list[str]]


def rows(report: IdentifierReport) -> list[Row]:
    """The table: what is measured, and its value per level; a dash where a level has none."""
    found = [
        _row("codes in use", report.levels, lambda use: f"{use.used} of {use.size}"),
        _row("perplexity", report.levels, lambda use: f"{use.perplexity:.1f}"),
        _row("Gini of items per code", report.levels, lambda use: f"{use.gini:.3f}"),
        _row("filter ratio, by items", report.filtering, lambda ratio: f"{ratio.by_items:.2%}"),
        _row("filter ratio, by prefixes", report.filtering, lambda ratio: f"{ratio.by_prefixes:.2%}"),
        _row("items left (mean)", report.filtering, lambda ratio: f"{ratio.remaining:,.1f}"),
        _row("purity gain (frequencies)", report.purity_gain, lambda level: f"{level.by_prefixes:+.3f}"),
    ]
    if report.embeddings is not None:
        against = report.embeddings
        found += [
            _row("embedding purity gain", against.purity, lambda level: f"{level.gain:+.3f}"),
            _row("variance unexplained", against.unexplained_variance, lambda share: f"{share:.3f}"),
            _row(
                "nearest neighbours that share it (chance)", against.neighbours, lambda n: _chance(n.overlap, n.chance)
            ),
        ]
    found += [
        _row(
            f"next item shares it with one of the last {WINDOW} (chance)",
            report.prefix_hits,
            lambda h: _chance(h.rate, h.chance),
        ),
        _row(
            "next code, nats (without history)",
            report.next_code,
            lambda code: f"{code.entropy:.3f} ({code.without_history:.3f})",
        ),
    ]
    return [(name, values + [NONE] * (len(report.levels) - len(values))) for name, values in found]


def heading(report: IdentifierReport) -> str:
    """Items and collisions in one line."""
    error = report.embeddings.decoder_error if report.embeddings is not None else None
    decoder = "" if error is None else f", decoder misses {error:.1%} of the variance"
    return (
        f"Identifiers of {report.n_items:,} items: {report.collisions_before:.2%} collide before resolution, "
        f"{report.collisions_after:.2%} after{decoder}"
    )


def level_names(report: IdentifierReport) -> list[str]:
    """Heads of the level columns."""
    return [f"level {n}" if n <= report.n_semantic else "digit" for n in range(1, len(report.levels) + 1)]


def print_tokens(report: IdentifierReport, note: str) -> None:
    """Print table, verdict and a last line."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "prefix up to", *level_names(report), title=heading(report), box=box.SIMPLE_HEAD, title_justify="left"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for name, values in rows(report):
        table.add_row(name, *values)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    for line in (verdict(report), note):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def to_markdown(report: IdentifierReport) -> str:
    """Heading, table and verdict."""
    heads = ["prefix up to", *level_names(report)]
    lines = [heads, ["---", *["---:"] * len(report.levels)], *([name, *values] for name, values in rows(report))]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"# {heading(report)}\n\n{table}\n\n{verdict(report)}\n"


def save_figure(report: IdentifierReport, file: Path) -> None:
    """Write the picture, where matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    plot_tokens(report).savefig(file, dpi=110)


def plot_tokens(report: IdentifierReport) -> "Figure":
    """Use of the codes, what prefixes say about content, what they say about behaviour; chance as dashed marks."""
    from matplotlib.figure import Figure

    panels: list[Callable[[Axes], None]] = [lambda axes: _use(axes, report)]
    if report.embeddings is not None:
        panels.append(lambda axes: _content(axes, report))
    if report.prefix_hits:
        panels.append(lambda axes: _behaviour(axes, report))
    figure = Figure(figsize=(0.5 + 3.9 * len(panels), 3.6), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        panel(axes)
        axes.set_ylim(0, min(1.0, axes.dataLim.y1) * 1.25)  # room for the legend
        axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper center")
    return figure


def _use(axes: "Axes", report: IdentifierReport) -> None:
    _bars(axes, level_names(report), "codes in use", [use.used / use.size for use in report.levels], -0.2)
    _bars(axes, level_names(report), "perplexity", [use.perplexity / use.size for use in report.levels], 0.2)
    axes.set(title=f"Codes: {report.collisions_before:.1%} of the items collide", ylabel="share of the level's codes")


def _content(axes: "Axes", report: IdentifierReport) -> None:
    against = report.embeddings
    names = level_names(report)[: report.n_semantic]
    purity = [level.purity for level in against.purity][: report.n_semantic]
    _bars(axes, names, "variance explained", purity, -0.2)
    _bars(axes, names, "neighbours shared", [level.overlap for level in against.neighbours], 0.2)
    _dashes(axes, [level.chance for level in against.neighbours], 0.2)
    axes.set(title="Content: what a prefix says", ylabel="share (dashes: chance)")


def _behaviour(axes: "Axes", report: IdentifierReport) -> None:
    names = level_names(report)[: len(report.prefix_hits)]
    _bars(
        axes,
        names,
        f"next item shares it with one of the last {WINDOW}",
        [hits.rate for hits in report.prefix_hits],
        0.0,
    )
    _dashes(axes, [hits.chance for hits in report.prefix_hits], 0.0)
    axes.set(title="Behaviour: prefixes that return", ylabel="share of next items (dashes: chance)")


def _bars(axes: "Axes", names: Sequence[str], label: str, values: Sequence[float], shift: float) -> None:
    places = [place + shift for place in range(len(names))]
    axes.bar(places, values, 0.4, label=label)
    axes.set_xticks(range(len(names)), names)


def _dashes(axes: "Axes", values: Sequence[float], shift: float) -> None:
    for place, value in enumerate(values):
        axes.hlines(value, place + shift - 0.2, place + shift + 0.2, color="black", linestyle="--", linewidth=1)


def _row(name: str, levels: Sequence, show: Callable[..., str]) -> Row:
    return name, [show(level) for level in levels]


def _chance(value: float, chance: float) -> str:
    return f"{value:.1%} ({chance:.1%})"
