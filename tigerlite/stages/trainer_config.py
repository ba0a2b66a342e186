"""Where training runs, and what every stage is handed beside its inputs."""

import os
from dataclasses import dataclass, field
from typing import Any

import torch

from tigerlite.config import InputError, check, check_choice
from tigerlite.tracking import Tracker

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true")


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """Where training runs. `fabric run` overrides the hardware fields by the LT_* variables that it sets."""

    accelerator: str = "auto"
    """cpu, gpu, or auto (what is there)."""
    devices: int = 1
    """Processes on this machine, one per device."""
    strategy: str = "auto"
    """Lightning strategy: auto, ddp, ..."""
    num_nodes: int = 1
    """Machines."""
    precision: str = "32-true"
    """Lightning precision: 32-true or bf16-mixed; changes results, so it is part of every training stage's fingerprint."""
    max_epochs: int | None = None
    """Upper bound on the epochs of every training stage, for trial runs; null leaves each stage its own number."""
    accumulate: int = 1
    """Passes per optimizer step of a recommender: `batch_size` stays the samples of a step, each pass holds 1/accumulate of
    them, which saves memory. Like `devices` it names no other result: without dropout only rounding differs."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints inside an epoch of a recommender (they are also written at its end); 0 = none inside."""
    progress: bool = True
    """Show a progress bar (rate, remaining time) on a terminal; elsewhere a few plain lines are printed either way."""

    def __post_init__(self) -> None:
        check(self.devices >= 1, "devices", self.devices, "an integer >= 1")
        check(self.num_nodes >= 1, "num_nodes", self.num_nodes, "an integer >= 1")
        check(
            self.max_epochs is None or self.max_epochs >= 1, "max_epochs", self.max_epochs, "an integer >= 1, or null"
        )
        check(self.accumulate >= 1, "accumulate", self.accumulate, "an integer >= 1")
        check(self.checkpoint_minutes >= 0, "checkpoint_minutes", self.checkpoint_minutes, "a number >= 0")
        check_choice("precision", self.precision, PRECISIONS)

    def result_fields(self) -> dict[str, Any]:
        """What can change a result and so belongs to a fingerprint."""
        return {"precision": self.resolved("precision"), "max_epochs": self.max_epochs}

    def resolved(self, name: str) -> Any:
        """A hardware field, as overridden by the launcher (`fabric run` sets LT_ACCELERATOR, LT_DEVICES, ...)."""
        value = os.environ.get(f"LT_{name.upper()}")
        default = getattr(self, name)
        if value is None or value == "":
            return default
        if not isinstance(default, int):
            return value
        if not value.isdigit():
            raise InputError(
                f"LT_{name.upper()}={value!r} is not a number; give the launcher --{name.replace('_', '-')}=N"
            )
        return int(value)

    def device(self) -> torch.device:
        """Where one process computes what no Trainer runs."""
        wanted = self.resolved("accelerator")
        return torch.device("cuda" if wanted in ("auto", "gpu", "cuda") and torch.cuda.is_available() else "cpu")

    def epochs(self, planned: int) -> int:
        """A stage's number of epochs under the upper bound."""
        return planned if self.max_epochs is None else min(planned, self.max_epochs)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a stage may use but what is not its input: the Trainer's settings and the run's tracker."""

    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    tracker: Tracker | None = None
    stage: str = ""
    """Name under which the pipeline runs the stage; prefixes its metrics."""
