"""A study's summary as a person reads it: on the terminal, as Markdown, as CSV."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tigerlite.studies.figure import plot_study
from tigerlite.studies.summary import METRICS, PRIMARY, Row, Spread, Summary

NONE = "–"
MARKDOWN, CSV, FIGURE = "table.md", "table.csv", "table.png"


@dataclass(frozen=True)
class Grid:
    """A table of words."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def results_grid(summary: Summary) -> Grid:
    """Metrics and costs of every row, and how its identifiers look where a row has some."""
    split = summary.settings["split"]
    described = any(row.collision_rate is not None for row in summary.rows)
    rows = tuple(
        (
            row.name,
            *(str(row.metrics.get(metric, NONE)) for metric in METRICS),
            NONE if row.validation is None else str(row.validation),
            *((_share(row.collision_rate), _share(row.lowest_perplexity)) if described else ()),
            NONE if row.seconds is None else f"{row.seconds.mean:,.0f}",
            NONE if row.memory_gib is None else f"{row.memory_gib:.2f}",
            NONE if row.n_parameters is None else f"{row.n_parameters:,}",
            NONE if row.updates is None else f"{row.updates:,}",
        )
        for row in summary.rows
    )
    shown = tuple(metric.replace("recall", "Recall").replace("ndcg", "NDCG") for metric in METRICS)
    identifiers = ("colliding", "lowest perplexity") if described else ()
    costs = ("best valid NDCG@10", *identifiers, "training s", "GiB", "parameters", "updates")
    return Grid(f"Results on the {split} split", ("row", *shown, *costs), rows)


def comparison_grid(summary: Summary) -> Grid:
    """Every row against the baseline."""
    baseline = next(row for row in summary.rows if row.name == summary.baseline).metrics[PRIMARY].mean
    rows = []
    for row in summary.rows:
        if row.against is None:
            continue
        users = row.against.users
        rows.append(
            (
                row.name,
                f"{users.difference:+.4f} [{users.low:+.4f}, {users.high:+.4f}]",
                NONE if not baseline else f"{users.difference / baseline:+.1%}",
                _p(row.against.p_bootstrap),
                _p(row.against.p_wilcoxon),
                f"{users.detectable:.4f}" + (f" ({users.detectable / baseline:.1%})" if baseline else ""),
                NONE if len(row.per_seed) < 2 else f"{_p(row.against.p_seeds)} (>= {_p(row.against.smallest_p_seeds)})",
            )
        )
    columns = ("row", "ΔNDCG@10 [95 %]", "relative", "p bootstrap", "p Wilcoxon", "detectable", "p over seeds")
    return Grid(f"Against '{summary.baseline}'", columns, tuple(rows))


def notes(summary: Summary, seeds_set: str) -> list[str]:
    """What one has to know to read the tables: rule, seeds, tests, machine."""
    excluded = summary.settings["exclude_history"]
    rule = "items of the history are not recommended" if excluded else "items of the history may be recommended"
    tokenizer = "tokenizer and recommender" if seeds_set == "tokenizer" else "recommender; the identifiers are the same"
    papers = [row.name for row in summary.rows if not row.measured]
    return [
        f"{summary.settings['n_users']:,} users of the {summary.settings['split']} split, full ranking, {rule} (all rows).",
        f"Mean ± standard deviation over seeds {', '.join(map(str, summary.seeds))}; a seed sets the {tokenizer}.",
        "Tests over users pair the seed-averaged NDCG@10 with the baseline's; their p values are Holm-corrected over the "
        "rows. 'detectable' is the true difference that such a test finds 8 times in 10. They say nothing about the luck of "
        "training; 'p over seeds' does (Mann-Whitney, uncorrected, with the smallest value that as many seeds can reach).",
        f"Training seconds include validation; measured on {'; '.join(summary.hardware)}.",
        *(
            [
                "'colliding': items whose codes an earlier item has, before resolution. 'lowest perplexity': of the level that "
                "spreads the items least, as a share of its codes. Both are means over seeds."
            ]
            if any(row.collision_rate is not None for row in summary.rows)
            else []
        ),
        *([f"Not measured here, but printed in papers: {', '.join(papers)}."] if papers else []),
    ]


def print_study(title: str, summary: Summary, seeds_set: str) -> None:
    """Print tables and notes on the terminal."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 180)
    console.rule(title, align="left")
    for grid in (results_grid(summary), comparison_grid(summary)):
        if grid.rows:
            console.print(_rich(grid))
    for line in notes(summary, seeds_set):
        console.print(line, highlight=False, markup=False)


def save_study(folder: Path, title: str, summary: Summary, seeds_set: str) -> None:
    """Write `table.md`, `table.csv` and, where matplotlib is installed, `table.png`."""
    grids = [grid for grid in (results_grid(summary), comparison_grid(summary)) if grid.rows]
    parts = [f"# {title}", *(f"## {grid.title}\n\n{_markdown(grid)}" for grid in grids)]
    parts.append("\n".join(f"- {line}" for line in notes(summary, seeds_set)))
    (folder / MARKDOWN).write_text("\n\n".join(parts) + "\n")
    _write_csv(folder / CSV, summary.rows)
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    plot_study(title, summary).savefig(folder / FIGURE, dpi=110)


def _write_csv(file: Path, rows: Sequence[Row]) -> None:
    """Unrounded numbers, one line per row of the table; empty where a number does not exist."""
    lines = []
    for row in rows:
        line: dict[str, object] = {"row": row.name, "measured": row.measured, "seeds": len(row.per_seed)}
        for metric in METRICS:
            line |= _columns(metric, row.metrics.get(metric))
        line |= _columns("validation_ndcg@10", row.validation) | _columns("training_seconds", row.seconds)
        line |= _columns("collision_rate", row.collision_rate) | _columns("lowest_perplexity", row.lowest_perplexity)
        line |= {"peak_memory_gib": row.memory_gib, "parameters": row.n_parameters, "updates": row.updates}
        against, users = row.against, row.against.users if row.against else None
        line |= {
            "difference": users and users.difference,
            "difference_low": users and users.low,
            "difference_high": users and users.high,
            "p_bootstrap_holm": against and against.p_bootstrap,
            "p_wilcoxon_holm": against and against.p_wilcoxon,
            "detectable": users and users.detectable,
            "p_seeds": against and against.p_seeds,
            "smallest_p_seeds": against and against.smallest_p_seeds,
        }
        lines.append(line)
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, lines[0])
        writer.writeheader()
        writer.writerows(lines)


def _columns(name: str, value: Spread | None) -> dict[str, object]:
    return {name: value and value.mean, f"{name}_std": value and value.std}


def _markdown(grid: Grid) -> str:
    head = [" | ".join(grid.columns), " | ".join(["---", *["---:"] * (len(grid.columns) - 1)])]
    body = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in grid.rows]
    return "\n".join(f"| {line} |" for line in [*head, *body])


def _rich(grid: Grid):
    from rich import box
    from rich.table import Table

    table = Table(title=grid.title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for index, column in enumerate(grid.columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in grid.rows:
        table.add_row(*row)
    return table


def _share(value: Spread | None) -> str:
    return NONE if value is None else f"{value.mean:.1%}"


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 1e-4 else "< 0.0001"
