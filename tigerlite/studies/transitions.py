"""What hits take, row by row of a study (`tigerlite report transitions STUDY`): repeats, transitions seen in training, new ones.

Ranks are those that the study kept of every user; a row's figures are means over its seeds.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tigerlite.columns import RANK
from tigerlite.config import InputError
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import training_positions
from tigerlite.evaluation.pictures import save_figures
from tigerlite.evaluation.transitions import (
    KINDS,
    by_kind,
    contributions,
    plot_contributions,
    share_of_repeats,
    target_kinds,
)
from tigerlite.reports.terminal import console, print_table
from tigerlite.studies.records import existing, read_study_records

METRIC = "ndcg@10"
TABLE = "transitions.csv"


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Flags of `tigerlite report transitions STUDY`."""

    pictures: bool = True
    """Draw the picture; needs matplotlib."""


@dataclass(frozen=True)
class RowParts:
    """One row of a study."""

    name: str
    n_seeds: int
    shares: list[float]
    """Of the users, by kind of target."""
    metric: list[float]
    """NDCG@10 of the users of each kind."""
    adds: list[float]
    """What each kind adds to NDCG@10 over all users."""


def report(folder: Path, flags: Flags) -> None:
    """Print a table of all rows, write it as CSV and draw it.

    Raises:
        InputError: if there are no records, or the folder of a run is gone.
    """
    records = read_study_records(folder)
    found = collect(records)
    repeats = ", ".join(f"{share:.1%} of {part}" for part, share in repeat_shares(_dataset(records[0])).items())
    kinds = (f"{kind} ({share:.1%})" for kind, share in zip(KINDS, found[0].shares, strict=True))
    title = "NDCG@10 by what a hit takes: of these users / added to the mean of all"
    print_table(title, ("row", "seeds", *kinds, "all"), map(_cells, found))
    console().print(f"Targets that are repeats: {repeats}")
    _write(folder / TABLE, found)
    written = [TABLE]
    if flags.pictures:
        pictures = save_figures({"transitions": plot_contributions({row.name: row.adds for row in found})}, folder)
        written += [file.name for file in pictures.values()]
    console().print(f"Written to {folder}: {', '.join(written)}", soft_wrap=True)


def collect(records: Sequence[Mapping[str, Any]]) -> list[RowParts]:
    """The rows of a study and the closed forms beside them, from the lowest NDCG@10 to the highest.

    Raises:
        InputError: if the folder of a run is gone, or the runs held out different items.
    """
    found: dict[str, list[dict[str, list[float]]]] = {}
    kinds: dict[Path, np.ndarray] = {}
    for record in records:
        ranks = _ranks(record)
        parts = _parts(by_kind(ranks, _kinds(record, kinds)))
        found.setdefault(record["row"], []).append(parts[record["method"]])
        for name in record["baselines"]:
            found[name] = [parts[name]]  # the same in every run
    if len({tuple(values.tolist()) for values in kinds.values()}) > 1:
        raise InputError("the runs of this study held out different items; give the folder of one data set")
    rows = []
    for name, values in found.items():
        means = {key: np.mean([of[key] for of in values], axis=0).tolist() for key in values[0]}
        rows.append(RowParts(name, len(values), **means))
    return sorted(rows, key=lambda row: sum(row.adds))


def repeat_shares(dataset: RecDataset) -> dict[str, float]:
    """Share of the targets that the user has had before, in training (every prefix), validation and test.

    Where it moves from one to the next, what is learnt about repeats does not hold for the test.
    """
    parts = {"training": training_positions(dataset), "validation": dataset.validation, "test": dataset.test}
    arrays = (dataset.items, dataset.offsets, dataset.train_ends)
    return {part: share_of_repeats(*arrays, rows) for part, rows in parts.items()}


def _cells(row: RowParts) -> tuple[str, ...]:
    parts = (f"{metric:.4f} / {added:.4f}" for metric, added in zip(row.metric, row.adds, strict=True))
    return (row.name, str(row.n_seeds), *parts, f"{sum(row.adds):.4f}")


def _ranks(record: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """(U,) ranks of the run's method and of the closed forms beside it."""
    import polars as pl

    frame = pl.read_parquet(existing(Path(record["ranks"])))
    return {name: frame[f"{RANK}/{name}"].to_numpy() for name in (record["method"], *record["baselines"])}


def _kinds(record: Mapping[str, Any], known: dict[Path, np.ndarray]) -> np.ndarray:
    """The kinds of the targets that a run was evaluated on; `known` holds those of prepared data met before."""
    folder = _prepared(record)
    if folder not in known:
        dataset = _dataset(record)
        rows = dataset.test if record["settings"]["split"] == "test" else dataset.validation
        known[folder] = target_kinds(dataset.items, dataset.offsets, dataset.train_ends, rows)
    return known[folder]


def _dataset(record: Mapping[str, Any]) -> RecDataset:
    return RecDataset.load(existing(_prepared(record)))


def _prepared(record: Mapping[str, Any]) -> Path:
    return Path(record["ranks"]).parent.parent / f"prepare-{record['fingerprints']['prepare']}"


def _parts(found: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Shares of users, metric and contribution by kind, for every method."""
    n_users = sum(of["n_users"] for of in found.values())
    return {
        method: {
            "shares": [of["n_users"] / n_users for of in found.values()],
            "metric": [of["metrics"][method][METRIC] if of["metrics"] else 0.0 for of in found.values()],
            "adds": adds,
        }
        for method, adds in contributions(found).items()
    }


def _write(file: Path, rows: Sequence[RowParts]) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["row", "seeds", "kind", "share_of_users", METRIC, f"adds_to_{METRIC}"])
        for row in rows:
            for kind, *values in zip(KINDS, row.shares, row.metric, row.adds, strict=True):
                writer.writerow([row.name, row.n_seeds, kind, *values])
