"""Prefix match row by row of a study (`tigerlite report prefix STUDY`): table 6 of arXiv 2601.17787.

An item counts as found where its first codes are those of the held-out one; `evaluation/prefix.py` defines the figures, every
evaluation keeps them. A row's figures are means over its seeds. Rows compare where their identifiers are the same.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tigerlite.config import InputError
from tigerlite.evaluation.canvas import panels
from tigerlite.evaluation.pictures import save_figures
from tigerlite.evaluation.result_files import SLICES, read_results
from tigerlite.reports.results import PREFIX_FIGURES
from tigerlite.reports.terminal import console, print_table
from tigerlite.studies.records import existing, read_study_records
from tigerlite.studies.summary import Spread, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE = "prefix_match.csv"


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Flags of `tigerlite report prefix STUDY`."""

    pictures: bool = True
    """Draw the picture; needs matplotlib."""


@dataclass(frozen=True)
class RowPrefixes:
    """One row of a study."""

    name: str
    n_seeds: int
    levels: list[dict[str, Spread]]
    """Figure -> its spread over seeds, for prefixes of 1..L codes; `evaluation/prefix.py` names the figures."""


def report(folder: Path, flags: Flags) -> None:
    """Print a table of all rows whose recommenders write identifiers, write it as CSV and draw it.

    Raises:
        InputError: if there are no records, no row has identifiers, or an evaluation is gone.
    """
    rows = collect(read_study_records(folder))
    lengths = {len(row.levels) for row in rows}
    columns = ("figure", "row", "seeds", *(f"top-{n_codes}" for n_codes in range(max(lengths), 0, -1)))
    print_table("Prefix match: first codes equal those of the target", columns, prefix_rows(rows, max(lengths)))
    _write(folder / TABLE, rows)
    written = [TABLE]
    if flags.pictures and len(lengths) == 1:  # rows of one length of identifiers stand beside each other
        pictures = save_figures({"prefix_match": plot_prefix_rows(rows)}, folder)
        written += [file.name for file in pictures.values()]
    console().print(f"Written to {folder}: {', '.join(written)}", soft_wrap=True)


def collect(records: Sequence[Mapping[str, Any]]) -> list[RowPrefixes]:
    """The rows of a study that have identifiers, in the order of their first runs.

    Raises:
        InputError: if there are none, or the folder of a run is gone.
    """
    found: dict[str, list[list[dict[str, float]]]] = {}
    for record in records:
        matches = read_results(existing(Path(record["ranks"]).parent), SLICES)["prefix_match"]
        if matches:
            found.setdefault(record["row"], []).append(matches[record["method"]])
    if not found:
        raise InputError("no row of this study has identifiers; a prefix match needs them")
    return [RowPrefixes(name, len(runs), _over_seeds(name, runs)) for name, runs in found.items()]


def prefix_rows(rows: Sequence[RowPrefixes], n_levels: int) -> Iterator[tuple[str, ...]]:
    """The paper's table for every figure: columns from the longest identifier down to its first code."""
    for figure, name in PREFIX_FIGURES.items():
        for row in rows:
            shown = [str(level[figure]) for level in reversed(row.levels)]
            yield (name, row.name, str(row.n_seeds), *[""] * (n_levels - len(shown)), *shown)


def _over_seeds(name: str, runs: Sequence[Sequence[Mapping[str, float]]]) -> list[dict[str, Spread]]:
    if len({len(levels) for levels in runs}) > 1:
        raise InputError(
            f"identifiers of row '{name}' are longer with one seed than with another; nothing is a mean of them"
        )
    return [
        {figure: spread([level[figure] for level in same]) for figure in same[0]} for same in zip(*runs, strict=True)
    ]


def plot_prefix_rows(rows: Sequence[RowPrefixes], k: int = 5) -> "Figure":
    """A panel per number of codes, from the first code to the whole identifier: both figures of every row over seeds.

    Args:
        rows: with identifiers of one length.
        k: cutoff.

    Raises:
        InputError: without matplotlib.
    """
    n_levels = len(rows[0].levels)
    figure, axes = panels(n_levels, width=2.6, height=1.3 + 0.34 * len(rows))
    for panel, level in zip(axes, range(n_levels), strict=True):
        for offset, (figure_name, label) in enumerate(
            ((f"dcg@{k}", f"DCG@{k}, all matches"), (f"ndcg@{k}", f"NDCG@{k}, first match"))
        ):
            found = [row.levels[level][figure_name] for row in rows]
            places = [place + 0.24 * offset - 0.12 for place in range(len(rows))]
            means, spreads = [one.mean for one in found], [one.std or 0.0 for one in found]
            panel.errorbar(
                means, places, xerr=spreads, fmt="o", markersize=4, capsize=2, color=f"C{offset}", label=label
            )
        panel.set(title="first code" if level == 0 else f"first {level + 1} codes", ylim=(len(rows) - 0.5, -0.5))
        panel.set_yticks(range(len(rows)), [row.name for row in rows] if level == 0 else [""] * len(rows))
        panel.grid(alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _write(file: Path, rows: Sequence[RowPrefixes]) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["row", "seeds", "n_codes", *(f"{name}{of}" for name in PREFIX_FIGURES for of in ("", "_std"))])
        for row in rows:
            for number, level in enumerate(row.levels, start=1):
                values = (value for name in PREFIX_FIGURES for value in (level[name].mean, level[name].std))
                writer.writerow([row.name, row.n_seeds, number, *values])
