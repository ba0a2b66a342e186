"""What a run shows a person: statistics, codebook health, the table of metrics and a few recommendations.

Everything is read from the json files of the stage folders, so a report printed later says what the run printed.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

SHOWN_METRICS = ("recall@5", "recall@10", "ndcg@5", "ndcg@10")


def print_run(folders: Mapping[str, Path]) -> None:
    """Print what the stages in `folders` (by name, as `run_file.read_run` gives them) found, as far as they go."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(statistics_table(_read(folders["prepare"] / "statistics.json")))
    if "tokenize" in folders:
        console.print(codebook_table(_read(folders["tokenize"] / "codebook_health.json")))
    if "calibrate" in folders:
        console.print(temperature_line(_read(folders["calibrate"] / "temperature.json")), highlight=False)
    if "evaluate" in folders:
        found = _read(folders["evaluate"] / "metrics.json")
        console.print(metrics_table(found["metrics"], found["settings"]))
        cold = folders["evaluate"] / "cold.json"
        if cold.is_file():
            console.print(cold_table(_read(cold)))
        for line in example_lines(_read(folders["evaluate"] / "examples.json")):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"Everything is in {folders['prepare'].parent}", highlight=False)


def statistics_table(statistics: Mapping[str, Any]) -> "Table":
    """Data set statistics as two columns."""
    table = empty_table("Data set", "statistic", "value")
    for name, value in statistics.items():
        if isinstance(value, int | float | str):
            shown = f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else value
            table.add_row(name.replace("_", " "), shown)
    return table


def codebook_table(health: Mapping[str, Any]) -> "Table":
    """Codes in use, perplexity and dead codes per level; the collision rate before resolution in the title."""
    fate = "left as they are" if health["collisions"] == "none" else f"resolved by {health['collisions']}"
    title = (
        f"Identifiers: {health['n_distinct']:,} distinct of {health['n_items']:,} "
        f"(collision rate {health['collision_rate']:.2%}), {health['n_duplicates']:,} duplicates {fate}"
    )
    table = empty_table(title, "level", "codes", "used", "perplexity", "dead")
    for number, level in enumerate(health["levels"], start=1):
        table.add_row(
            str(number), str(level["size"]), str(level["used"]), f"{level['perplexity']:.1f}", str(level["dead"])
        )
    return table


def temperature_line(found: Mapping[str, Any]) -> str:
    """The fitted temperature and what it brought."""
    before, after = found["loss_before"], found["loss_after"]
    return (
        f"Temperature {found['temperature']:.3f}, fitted on {found['n_targets']:,} validation users: "
        f"cross-entropy of an item {before:.3f} -> {after:.3f} nats"
    )


def metrics_table(
    metrics: Mapping[str, Mapping[str, float]], settings: Mapping[str, Any], shown: Sequence[str] = SHOWN_METRICS
) -> "Table":
    """One row per method, mean +- standard error over users."""
    rule = "history excluded" if settings["exclude_history"] else "history not excluded"
    users = f"{settings['split']} split, {settings['n_users']:,} users"
    title = f"{users}, all items ranked, {rule} in all rows; mean ± standard error"
    table = empty_table(title, "method", *shown)
    for method in method_order(metrics):
        values = metrics[method]
        table.add_row(method, *(f"{values[name]:.4f} ± {values[name + '_se']:.4f}" for name in shown))
    return table


def cold_table(cold: Mapping[str, Any], shown: Sequence[str] = SHOWN_METRICS) -> "Table":
    """The same for the users whose target nobody has consumed in training."""
    title = f"Targets never seen in training: {cold['n_users']:,} of these users, {cold['n_items']:,} items"
    table = empty_table(title, "method", *shown)
    for method in method_order(cold["metrics"]):
        values = cold["metrics"][method]
        table.add_row(method, *(f"{values[name]:.4f} ± {values[name + '_se']:.4f}" for name in shown))
    return table


def method_order(metrics: Mapping[str, Any]) -> list[str]:
    """Baselines from the weakest kind up, then the models.

    >>> method_order({"itemknn": {}, "popularity": {}, "tiger": {}})
    ['popularity', 'itemknn', 'tiger']
    """
    baselines = [name for name in ("popularity", "recent", "itemknn") if name in metrics]
    return baselines + [name for name in metrics if name not in baselines]


def example_lines(examples: Sequence[Mapping[str, Any]]) -> list[str]:
    """Plain lines: what a user watched last, what is recommended with its scores, what was held out."""
    lines = []
    for example in examples:
        lines += [f"User {example['user']}", f"  history (latest last): {' | '.join(example['history'])}"]
        lines += [
            f"  {place}. {title}  ({score:.2f})" for place, (title, score) in enumerate(example["recommended"], 1)
        ]
        found = example["held_out"] in [title for title, _ in example["recommended"]]
        lines += [f"  held out: {example['held_out']}{'  (recommended)' if found else ''}", ""]
    return lines


def _read(file: Path) -> Any:
    return json.loads(file.read_text())


def empty_table(title: str, *columns: str) -> "Table":
    """A table without rows in the look of all reports; the first column is left-aligned, numbers right."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    return table
