"""Which figures of the identifier report foretell what a recommender reaches (`tigerlite report identifiers STUDY`).

Every finished run of a study names its identifiers; each set of identifiers is measured once and paired with the validation
NDCG@10 of the recommenders trained on it (mean over their runs). Spearman's rank correlation asks whether better figures go with
better recommenders, in whatever curve (`correlations.py`). All sets of one table share data and training budget, so a
correlation holds for that budget. Figures are kept beside the records and taken from there where the runs are gone.
"""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tigerlite.artifacts import write_json
from tigerlite.config import InputError, check, check_choice
from tigerlite.evaluation.identifiers import figures
from tigerlite.evaluation.pictures import save_figures
from tigerlite.reports.tokens import Folders, measure, save
from tigerlite.studies.correlations import Correlation, correlate, plot_correlations
from tigerlite.studies.records import read_study_records

TABLE, NUMBERS, FIGURES, PICTURE = "identifiers.md", "identifiers.json", "figures.json", "identifiers"

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Flags of `tigerlite report identifiers STUDY`."""

    n_resamples: int = 5_000
    """Bootstrap draws behind every interval."""
    seed: int = 0
    """Of the draws."""
    pictures: bool = True
    """Draw the correlations; needs matplotlib."""
    without: tuple[str, ...] = ()
    """Rows to leave out, controls say: one that is far worse than all others can carry a correlation alone."""

    def __post_init__(self) -> None:
        check(self.n_resamples >= 100, "n_resamples", self.n_resamples, "an integer >= 100")
        check(self.seed >= 0, "seed", self.seed, "an integer >= 0")


def report(folder: Path, flags: Flags) -> None:
    """Measure the identifiers of a study's runs, print and write the correlations.

    Raises:
        InputError: if there are no records, or too few sets of identifiers.
    """
    records = read_study_records(folder)
    for row in flags.without:
        check_choice("without", row, sorted({record["row"] for record in records}))
    known = json.loads((folder / FIGURES).read_text(encoding="utf-8")) if (folder / FIGURES).exists() else {}
    table = collect([record for record in records if record["row"] not in flags.without], known)
    write_json(folder / FIGURES, known | {entry["identifiers"]: entry["figures"] for entry in table})
    found = correlate(table, n_resamples=flags.n_resamples, seed=flags.seed)
    text = to_markdown(found)
    (folder / TABLE).write_text(text, encoding="utf-8")
    sets = [{name: value for name, value in entry.items() if name != "figures"} for entry in table]
    write_json(folder / NUMBERS, {"correlations": [vars(one) for one in found], "sets": sets})
    written = [TABLE, NUMBERS, FIGURES]
    if flags.pictures:
        written += [file.name for file in save_figures({PICTURE: plot_correlations(found)}, folder).values()]
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(f"{text}\nWritten to {folder}: {', '.join(written)}", markup=False, highlight=False)


def collect(
    records: Sequence[Mapping[str, Any]], known: Mapping[str, dict[str, float]] | None = None
) -> list[dict[str, Any]]:
    """One entry per set of identifiers: its rows, figures and mean validation NDCG@10; runs without identifiers are skipped.

    Args:
        records: of a study.
        known: figures that were measured before, by set of identifiers, for folders that are gone.

    Raises:
        InputError: if a folder of identifiers is gone that was never measured.
    """
    by_folder: dict[Path, list[Mapping[str, Any]]] = {}
    for record in records:
        score = record["validation"].get("finetune")
        if "tokenize" in record["fingerprints"] and score is not None:
            by_folder.setdefault(_folders(record).bank, []).append(record)
    table = []
    for bank, found in by_folder.items():
        table.append(
            {
                "identifiers": bank.name,
                "rows": sorted({record["row"] for record in found}),
                "score": float(np.mean([float(record["validation"]["finetune"]) for record in found])),
                "figures": _figures(_folders(found[0]), known or {}),
            }
        )
    return table


def to_markdown(found: Sequence[Correlation]) -> str:
    """The table of correlations; a star marks intervals without 0."""
    lines = [
        "| figure | Spearman with validation NDCG@10 | 95 % | sets | predicts |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for one in found:
        star = "*" if one.predicts else ""
        lines.append(f"| {one.name} | {one.rho:+.2f} | {one.low:+.2f} to {one.high:+.2f} | {one.n_sets} | {star} |")
    expected = 0.05 * len(found)
    note = (
        f"Intervals are not corrected for {len(found)} figures: by chance about {expected:.0f} of them would exclude 0."
    )
    return "\n".join(lines) + f"\n\n{note}\n"


def _folders(record: Mapping[str, Any]) -> Folders:
    """Where the record's stages lie: beside its file of ranks."""
    out = Path(record["ranks"]).parent.parent
    stages = {stage: out / f"{stage}-{key}" for stage, key in record["fingerprints"].items()}
    bank = stages["tokenize"]
    return Folders(bank, stages["prepare"], stages.get("fuse", stages.get("encode")), out / "reports" / bank.name)


def _figures(folders: Folders, known: Mapping[str, dict[str, float]]) -> dict[str, float]:
    """Measure a set of identifiers and write its report beside the study's stage folders; its figures, `known` if it is gone."""
    if not folders.bank.is_dir():
        if folders.bank.name in known:
            return known[folders.bank.name]
        raise InputError(
            f"{folders.bank} is gone, so its identifiers cannot be measured; run the study again with the same --out"
        )
    log.info("measuring %s", folders.bank.name)
    found = measure(folders)
    save(found, folders.out)
    return figures(found)
