"""A metric over one swept setting, from a study's records: figure 4 of arXiv 2601.17787 is NDCG@5 over c."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tigerlite.config import InputError
from tigerlite.evaluation.canvas import panels
from tigerlite.studies.summary import Spread, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = "over.png"


@dataclass(frozen=True)
class Point:
    """All seeds of one value."""

    value: float
    metric: Spread
    per_seed: tuple[float, ...]


def metric_over(records: Sequence[Mapping[str, Any]], key: str, metric: str = "ndcg@5") -> list[Point]:
    """The metric at every value of a setting, values ascending.

    Args:
        records: of a sweep over `key` on one data set (`studies.records.read_records`).
        key: dotted config key of a number, such as `finetune.tiger.optimizer.lr`.
        metric: a metric of the evaluation.

    Raises:
        InputError: if a record has no such number or metric, or runs that differ in more than `key` share a value.

    >>> config = {"finetune": {"epochs": 3}}
    >>> metric_over([{"row": "a", "config": config, "metrics": {"ndcg@5": 0.25}}], "finetune.epochs")
    [Point(value=3.0, metric=Spread(mean=0.25, std=None), per_seed=(0.25,))]
    """
    rows: dict[float, str] = {}
    values: dict[float, list[float]] = {}
    for record in records:
        value = _number(record, key)
        if rows.setdefault(value, record["row"]) != record["row"]:
            raise InputError(
                f"rows '{rows[value]}' and '{record['row']}' both have {key}={value:g}; give the records of a sweep "
                "over that key alone"
            )
        if metric not in record["metrics"]:
            raise InputError(f"metric {metric} is not in the records; they have {', '.join(record['metrics'])}")
        values.setdefault(value, []).append(record["metrics"][metric])
    return [Point(value, spread(values[value]), tuple(values[value])) for value in sorted(values)]


def swept_key(records: Sequence[Mapping[str, Any]]) -> str | None:
    """The one number of the config that differs between records, seeds aside; None where there is none or several.

    >>> configs = [{"finetune": {"epochs": epochs, "seed": epochs}} for epochs in (1, 2)]
    >>> swept_key([{"config": config} for config in configs])
    'finetune.epochs'
    """
    values: dict[str, set[float]] = {}
    for record in records:
        for key, value in _numbers(record["config"]):
            values.setdefault(key, set()).add(value)
    varied = [key for key, found in values.items() if len(found) > 1 and key.rpartition(".")[2] != "seed"]
    return varied[0] if len(varied) == 1 else None


def save_over(folder: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write `over.png` for a sweep over one number, where matplotlib is installed."""
    key = swept_key(records)
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    if key is not None:
        plot_metric_over(records, key).savefig(folder / FIGURE, dpi=110)


def plot_metric_over(records: Sequence[Mapping[str, Any]], key: str, metric: str = "ndcg@5") -> "Figure":
    """A line through the means, bars of one standard deviation over seeds, every seed as a dot.

    Raises:
        InputError: as `metric_over`, or without matplotlib.
    """
    points = metric_over(records, key, metric)
    figure, (axes,) = panels(1, width=5.0, height=3.2)
    values = [point.value for point in points]
    deviations = [point.metric.std or 0.0 for point in points]
    axes.errorbar(values, [point.metric.mean for point in points], yerr=deviations, marker="o", capsize=4)
    for point in points:
        axes.plot([point.value] * len(point.per_seed), point.per_seed, "_", color="C0", alpha=0.6)
    if len(values) > 1 and min(values) > 0 and max(values) / min(values) > 20:
        axes.set_xscale("log")
    axes.set(xlabel=key, ylabel=f"{metric.upper()}, mean ± std over seeds")
    axes.grid(axis="y", alpha=0.3)
    return figure


def _number(record: Mapping[str, Any], key: str) -> float:
    found: Any = record["config"]
    for word in key.split("."):
        if not isinstance(found, Mapping) or word not in found:
            raise InputError(f"'{key}' is not a config key of row '{record['row']}'; give a dotted key of the pipeline")
        found = found[word]
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise InputError(f"{key}={found!r} of row '{record['row']}' is no number")
    return float(found)


def _numbers(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a nested config with its dotted key."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{name}", float(value)
