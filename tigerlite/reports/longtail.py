"""`tigerlite report longtail RUN --baseline=RUN_OR_METHOD`: who gains, by how often the held-out item occurs in training.

Prints a row per group of training frequency (arXiv 2504.04400, figure 5) and draws `long_tail.png` into the run's folder.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tigerlite.columns import RANK, TARGET, USER
from tigerlite.config import InputError, check, check_choice
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import item_counts
from tigerlite.evaluation.long_tail import N_GROUPS, WIDTH, FrequencyGroup, frequency_groups, plot_frequency_groups
from tigerlite.evaluation.pictures import save_figures
from tigerlite.evaluation.ranking import CUTOFFS, per_user_metrics
from tigerlite.reports.run_folders import picture_folder, stage_folder
from tigerlite.reports.terminal import console, print_table
from tigerlite.run_file import RUN

if TYPE_CHECKING:
    import polars as pl

METRICS_SHOWN = tuple(per_user_metrics(np.zeros(1), CUTOFFS))


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Flags of `tigerlite report longtail RUN`."""

    baseline: str = "itemknn"
    """Folder of a run on the same users, or a method of RUN's own table (popularity, itemknn, ...)."""
    metric: str = "recall@10"
    """recall@10 in the paper."""
    width: int = WIDTH
    """Training interactions per group (20 in the paper)."""
    n_groups: int = N_GROUPS
    """Groups; the last has no upper end."""
    pictures: bool = True
    """Draw the picture; needs matplotlib."""

    def __post_init__(self) -> None:
        check_choice("metric", self.metric, METRICS_SHOWN)
        check(self.width >= 1, "width", self.width, "an integer >= 1")
        check(self.n_groups >= 1, "n_groups", self.n_groups, "an integer >= 1")


def report(run: Path, flags: Flags) -> None:
    """Print the table and draw the picture.

    Raises:
        InputError: if a run was not evaluated, the two have different users, or the baseline is neither run nor method.
    """
    groups = compared(run, flags)
    columns = ("training interactions", "users", "items", flags.metric, "baseline", "improvement", "95 % of difference")
    print_table(f"{flags.metric} against {flags.baseline}", columns, group_rows(groups))
    if flags.pictures:
        files = save_figures({"long_tail": plot_frequency_groups(groups, flags.metric)}, picture_folder(run))
        console().print(f"Pictures: {', '.join(map(str, files.values()))}", soft_wrap=True)


def compared(run: Path, flags: Flags) -> list[FrequencyGroup]:
    """The groups of a run against the baseline that the flags name.

    Raises:
        InputError: as `report`.
    """
    import polars as pl

    folder = stage_folder(run, "evaluate")
    frame = pl.read_parquet(folder / "ranks.parquet")
    dataset = RecDataset.load(stage_folder(run, "prepare"))
    item_of = {item: number for number, item in enumerate(dataset.item_ids, start=1)}
    targets = np.array([item_of[item] for item in frame[TARGET]])
    return frequency_groups(
        per_user_metrics(_ranks(frame, _method(folder)), CUTOFFS)[flags.metric],
        per_user_metrics(_baseline_ranks(frame, folder, flags.baseline), CUTOFFS)[flags.metric],
        targets,
        item_counts(dataset),
        width=flags.width,
        n_groups=flags.n_groups,
    )


def group_rows(groups: Sequence[FrequencyGroup]) -> Iterator[tuple[str, ...]]:
    """A row per group; an improvement over nothing is a dash."""
    for group in groups:
        shown = "–" if np.isnan(group.improvement) else f"{100 * group.improvement:+.1f} %"
        low, high = group.interval
        interval = "–" if np.isnan(low) else f"{low:+.4f} to {high:+.4f}"
        sizes = (f"{group.n_users:,}", f"{group.n_items:,}")
        yield (group.name, *sizes, f"{group.value:.4f}", f"{group.baseline:.4f}", shown, interval)


def _method(folder: Path) -> str:
    return json.loads((folder / "metrics.json").read_text())["settings"]["method"]


def _ranks(frame: "pl.DataFrame", method: str) -> np.ndarray:
    return frame[f"{RANK}/{method}"].to_numpy().astype(np.int64)


def _baseline_ranks(frame: "pl.DataFrame", folder: Path, baseline: str) -> np.ndarray:
    """Ranks of a method of the same evaluation, or of the model of another run."""
    import polars as pl

    if f"{RANK}/{baseline}" in frame.columns:
        return _ranks(frame, baseline)
    if not (Path(baseline) / RUN).is_file() and not Path(baseline).is_file():
        known = [name.removeprefix(f"{RANK}/") for name in frame.columns if name.startswith(f"{RANK}/")]
        raise InputError(
            f"baseline={baseline!r} is neither a run nor a method of this one; methods: {', '.join(known)}"
        )
    other = stage_folder(Path(baseline), "evaluate")
    theirs = pl.read_parquet(other / "ranks.parquet")
    if not theirs.select(USER, TARGET).equals(frame.select(USER, TARGET)):
        raise InputError(
            f"{other} and {folder} hold different users or held-out items; compare runs on one prepared data set and split"
        )
    return _ranks(theirs, _method(other))
