"""Where numbers go while a pipeline runs: always one CSV file, and one Weights & Biases run when asked for."""

import csv
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from tigerlite.config import InputError, check_choice
from tigerlite.distributed import is_rank_zero

log = logging.getLogger(__name__)

FILE = "metrics.csv"
COLUMNS = ("stage", "step", "name", "value")


@dataclass(frozen=True, kw_only=True)
class TrackingConfig:
    """Weights & Biases settings; the CSV file needs none."""

    wandb: bool = False
    """Also log to Weights & Biases: one run for the whole pipeline call, metrics prefixed by stage."""
    project: str = "tigerlite"
    """W&B project."""
    group: str | None = None
    """W&B group, for runs that belong together (the seeds of one row)."""
    name: str | None = None
    """W&B run name; None lets W&B choose."""
    mode: str = "default"
    """default (what WANDB_MODE says, else online), online, offline or disabled."""

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, ("default", "online", "offline", "disabled"))


class Tracker:
    """Logs scalars by stage. Rows are appended to `<out>/metrics.csv`, so a resumed run continues the file.

    Raises:
        InputError: if W&B is asked for but not installed.
    """

    def __init__(self, out: Path, config: TrackingConfig, settings: Mapping[str, Any] | None = None) -> None:
        self.out = Path(out)
        self._run = None
        self._stages: set[str] = set()
        if config.wandb and is_rank_zero():
            self._run = _start_wandb(self.out, config, settings)

    def log(self, stage: str, metrics: Mapping[str, float], step: int = 0) -> None:
        """Record finite scalars of one stage; `step` counts that stage's optimiser steps."""
        if not is_rank_zero():
            return
        rows = append_metrics(self.out / FILE, stage, metrics, step)
        self._show(stage, step, {name: value for _, _, name, value in rows})

    def replay(self, stage: str, folder: Path) -> None:
        """Show W&B the curves of a stage that was finished before this call, as a sweep's trial may find it."""
        file = folder / FILE
        if self._run is None or not file.is_file():
            return
        with file.open(newline="") as stream:
            for step, rows in groupby(csv.DictReader(stream), key=lambda row: int(row["step"])):
                self._show(stage, step, {row["name"]: float(row["value"]) for row in rows})

    def _show(self, stage: str, step: int, metrics: Mapping[str, float]) -> None:
        if self._run is None:
            return
        if stage not in self._stages:
            # Every stage counts its own steps; W&B's global step would have to be monotonic over all of them.
            self._run.define_metric(f"{stage}/*", step_metric=f"{stage}/step")
            self._stages.add(stage)
        self._run.log({f"{stage}/step": step} | {_prefixed(stage, name): value for name, value in metrics.items()})

    @property
    def shows_figures(self) -> bool:
        """Whether someone sees what `figure` is given: only W&B does."""
        return self._run is not None

    def figure(self, stage: str, name: str, file: Path) -> None:
        """Show an image file in W&B; without W&B the file itself is the result."""
        if self._run is not None:
            import wandb

            self._run.log({f"{stage}/{name}": wandb.Image(str(file))})

    def summary(self, metrics: Mapping[str, float]) -> None:
        """Final numbers of the pipeline call, the ones a sweep optimises."""
        if self._run is not None:
            self._run.summary.update(dict(metrics))

    def finish(self) -> None:
        """Close the W&B run."""
        if self._run is not None:
            self._run.finish()
            self._run = None


def append_metrics(file: Path, stage: str, metrics: Mapping[str, float], step: int) -> list[tuple[Any, ...]]:
    """Append one row per finite scalar to a CSV file with the columns `COLUMNS`; returns the rows."""
    rows = [(stage, step, name, float(value)) for name, value in metrics.items() if math.isfinite(float(value))]
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = not file.exists()
    with file.open("a", newline="") as stream:
        writer = csv.writer(stream)
        if fresh:
            writer.writerow(COLUMNS)
        writer.writerows(rows)
    return rows


def _prefixed(stage: str, name: str) -> str:
    return name if name.startswith(f"{stage}/") else f"{stage}/{name}"


def _start_wandb(out: Path, config: TrackingConfig, settings: Mapping[str, Any] | None) -> Any:
    try:
        import wandb
    except ImportError:
        raise InputError(
            "tracking.wandb=True but wandb is not installed; run pip install wandb or drop the flag"
        ) from None
    out.mkdir(parents=True, exist_ok=True)
    try:
        return wandb.init(
            project=config.project,
            group=config.group,
            name=config.name,
            mode=None if config.mode == "default" else config.mode,
            dir=str(out),
            config=dict(settings or {}),
        )
    except wandb.errors.Error as error:  # no login, no network
        raise InputError(f"W&B did not start ({error}); log in, or set tracking.mode=offline") from None
