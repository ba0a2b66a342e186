"""What the records of a study say together: means over seeds, costs, and every row against the baseline."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tigerlite.config import InputError
from tigerlite.evaluation.ranking import ndcg
from tigerlite.evaluation.significance import PairedComparison, compare_users, holm, mann_whitney, smallest_reachable_p
from tigerlite.studies.hits import ranks_of
from tigerlite.studies.runner import training_seconds

METRICS = ("recall@5", "recall@10", "ndcg@5", "ndcg@10")
PRIMARY = "ndcg@10"


@dataclass(frozen=True)
class Spread:
    """A number over seeds."""

    mean: float
    std: float | None
    """Sample standard deviation; None with one seed."""

    def __str__(self) -> str:
        return f"{self.mean:.4f}" if self.std is None else f"{self.mean:.4f} ± {self.std:.4f}"


@dataclass(frozen=True)
class Against:
    """A row against the baseline, p values corrected over the rows of the table (Holm)."""

    users: PairedComparison
    p_bootstrap: float
    p_wilcoxon: float
    p_seeds: float
    """Mann-Whitney over seeds, uncorrected."""
    smallest_p_seeds: float
    """What `p_seeds` can reach with as many seeds."""


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    name: str
    metrics: dict[str, Spread]
    """A published row may lack some."""
    measured: bool = True
    """False for figures taken from a paper."""
    per_seed: tuple[float, ...] = ()
    """The primary metric of every seed."""
    validation: Spread | None = None
    """NDCG@10 of the chosen checkpoint on the validation users."""
    collision_rate: Spread | None = None
    """Share of items whose codes an earlier item has, before resolution; None without identifiers or in old records."""
    lowest_perplexity: Spread | None = None
    """Perplexity of the worst level as a share of its codes; None as above."""
    seconds: Spread | None = None
    """Training time; None where every run was continued after a crash."""
    memory_gib: float | None = None
    """Highest over the seeds."""
    n_parameters: int | None = None
    updates: int | None = None
    """Optimizer steps, the most of any seed."""
    against: Against | None = None
    """None for the baseline and for closed-form methods."""


@dataclass(frozen=True)
class Summary:
    """The table of a study on one data set."""

    rows: tuple[Row, ...]
    """In the order of the study; then popularity and item-kNN, then published figures."""
    baseline: str
    settings: dict[str, Any]
    """Of the evaluation: split, exclusion rule, number of users; the same for all rows."""
    seeds: tuple[int, ...]
    hardware: tuple[str, ...]


def spread(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation.

    >>> str(spread([0.1, 0.3]))
    '0.2000 ± 0.1414'
    """
    return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def summarise_study(
    records: Sequence[dict[str, Any]], baseline: str, published: Mapping[str, Mapping[str, float]] | None = None
) -> Summary:
    """The table of the records of one study on one data set.

    Args:
        records: of finished runs.
        baseline: row that the others are compared with.
        published: figures of papers, method -> metric -> value, shown last.

    Raises:
        InputError: if there is no record of the baseline, or the evaluations do not follow one rule.
    """
    by_row: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_row.setdefault(record["row"], []).append(record)
    if baseline not in by_row:
        raise InputError(f"no run of the baseline row '{baseline}' is finished")
    settings = _common_settings(records)
    rows = [_row(name, found) for name, found in by_row.items()]
    first = by_row[baseline][0]
    return Summary(
        rows=(*_compared(rows, by_row, baseline), *_closed_form(first), *_published(published or {})),
        baseline=baseline,
        settings=settings,
        seeds=tuple(sorted({record["seed"] for record in records})),
        hardware=tuple(sorted({record["hardware"] for record in records})),
    )


def _row(name: str, records: list[dict[str, Any]]) -> Row:
    whole = [training_seconds(record) for record in records if not record["continued"]]
    memory = [record["peak_memory_gib"] for record in records if record["peak_memory_gib"]]
    validation = [record["validation"].get("finetune") for record in records]
    return Row(
        name=name,
        metrics={metric: spread([record["metrics"][metric] for record in records]) for metric in METRICS},
        per_seed=tuple(record["metrics"][PRIMARY] for record in records),
        validation=None if None in validation else spread(validation),
        collision_rate=_of_identifiers(records, "collision_rate"),
        lowest_perplexity=_of_identifiers(records, "lowest_perplexity"),
        seconds=spread(whole) if whole else None,
        memory_gib=max((peak.get("gpu", peak["process"]) for peak in memory), default=None),
        n_parameters=records[0]["n_parameters"],
        updates=max(sum(record["updates"].values()) for record in records),
    )


def _of_identifiers(records: list[dict[str, Any]], name: str) -> Spread | None:
    # Records made before identifiers were described lack the key.
    found = [record.get("identifiers") for record in records]
    return None if None in found else spread([one[name] for one in found])


def _compared(rows: list[Row], by_row: dict[str, list[dict[str, Any]]], baseline: str) -> list[Row]:
    """The rows with their tests against the baseline, one family for Holm's correction."""
    users = by_row[baseline][0]["hits"]["users"]
    values = {name: _seed_averaged(found, users) for name, found in by_row.items()}
    others = [row for row in rows if row.name != baseline]
    reference = next(row for row in rows if row.name == baseline)
    found = [compare_users(values[row.name], values[baseline]) for row in others]
    corrected = zip(
        others, found, holm([one.p_bootstrap for one in found]), holm([one.p_wilcoxon for one in found]), strict=True
    )
    tested = {
        row.name: Against(
            users=users,
            p_bootstrap=p_bootstrap,
            p_wilcoxon=p_wilcoxon,
            p_seeds=mann_whitney(row.per_seed, reference.per_seed),
            smallest_p_seeds=smallest_reachable_p(len(row.per_seed), len(reference.per_seed)),
        )
        for row, users, p_bootstrap, p_wilcoxon in corrected
    }
    return [replace(row, against=tested.get(row.name)) for row in rows]


def _seed_averaged(records: list[dict[str, Any]], users: str) -> np.ndarray:
    """NDCG@10 of every user, mean over the records, shape (U,); `users` is the digest that all records of a table share."""
    for record in records:
        if record["hits"]["users"] != users:
            raise InputError(
                f"row '{record['row']}', seed {record['seed']}, has other users than the baseline; rows of one table share theirs"
            )
    return np.mean([ndcg(ranks_of(record["hits"]), 10) for record in records], axis=0)


def _closed_form(record: dict[str, Any]) -> list[Row]:
    """Popularity and item-kNN: nothing in them is drawn, so one evaluation says all."""
    return [
        Row(name=name, metrics={metric: Spread(found[metric], None) for metric in METRICS})
        for name, found in record["baselines"].items()
    ]


def _published(figures: Mapping[str, Mapping[str, float]]) -> list[Row]:
    """Figures that were not measured here."""
    return [
        Row(name=name, metrics={metric: Spread(value, None) for metric, value in values.items()}, measured=False)
        for name, values in figures.items()
    ]


def _common_settings(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    names = ("split", "exclude_history", "n_users")
    rules = [{name: record["settings"][name] for name in names} for record in records]
    for rule in rules[1:]:
        if rule != rules[0]:
            raise InputError(f"runs were evaluated under different rules, {rules[0]} and {rule}; a table has one")
    return rules[0]
