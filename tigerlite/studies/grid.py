"""A metric over two settings of a study: a line per value of one, the other below (arXiv 2504.04400, figures 2 and 3).

Rows of such a study differ in numbers alone. Numbers that always change together, such as the layers of encoder and decoder,
make one setting.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tigerlite.config import InputError
from tigerlite.evaluation.canvas import panels
from tigerlite.studies.over import metric_over

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = "grid.png"


def swept_settings(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The settings that differ between records, seeds aside, most values first; none where rows differ in more than numbers.

    A setting is named by the first of the keys that change together.

    >>> configs = [{"layers": {"encoder": n, "decoder": n}, "members": m} for n in (1, 2) for m in (1, 5, 10)]
    >>> swept_settings([{"config": config} for config in configs])
    ['members', 'layers.encoder']
    """
    leaves = [dict(_leaves(record["config"])) for record in records]
    found: dict[tuple[int, ...], str] = {}
    for key in dict.fromkeys(key for config in leaves for key in config):
        values = [config.get(key) for config in leaves]
        distinct = list(dict.fromkeys(json.dumps(value, default=str) for value in values))
        if len(distinct) < 2 or key.rpartition(".")[2] == "seed":
            continue
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
            return []
        places = tuple(distinct.index(json.dumps(value, default=str)) for value in values)
        found.setdefault(places, key)
    return [found[places] for places in sorted(found, key=max, reverse=True)]


def plot_metric_grid(
    records: Sequence[Mapping[str, Any]], key: str, by: str | None = None, metric: str = "ndcg@10"
) -> "Figure":
    """A line per value of `by` over the values of `key`: means, and bars of one standard deviation over seeds.

    Args:
        records: of a study on one data set (`studies.records.read_records`).
        key: dotted config key of a number.
        by: another; None draws one line.
        metric: of the evaluation.

    Raises:
        InputError: if runs that differ in more share both values, or without matplotlib.
    """
    figure, (axes,) = panels(1, width=5.0, height=3.2)
    lines: dict[float | None, list[Mapping[str, Any]]] = {}
    for record in records:
        value = None if by is None else dict(_leaves(record["config"])).get(by)
        if by is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise InputError(f"{by}={value!r} of row '{record['row']}' is no number; give a dotted key of one")
        lines.setdefault(value, []).append(record)
    for value in sorted(lines, key=lambda value: value or 0):
        points = metric_over(lines[value], key, metric)
        deviations = [point.metric.std or 0.0 for point in points]
        means = [point.metric.mean for point in points]
        label = None if by is None else f"{by.rpartition('.')[2]} {value:g}"
        axes.errorbar([point.value for point in points], means, yerr=deviations, marker="o", capsize=4, label=label)
    axes.set(xlabel=key, ylabel=f"{metric.upper()}, mean ± std over seeds")
    axes.grid(axis="y", alpha=0.3)
    if by is not None:
        axes.legend(frameon=False, fontsize=8)
    return figure


def save_grid(folder: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write `grid.png` for a study over one or two settings, where matplotlib is installed."""
    settings = swept_settings(records)
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    if len(settings) in (1, 2):
        plot_metric_grid(records, *settings).savefig(folder / FIGURE, dpi=110)


def _leaves(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a nested config with its dotted key."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
