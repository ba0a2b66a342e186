"""Curriculum over the targets of a multi-target loss: what counts early and what counts late (arXiv 2601.17787, 4.2.2).

`exponential`: front_greater and original fade as e^(-ct), frequency rises as 1 - e^(-ct). t counts optimizer steps, as the
paper says, or is the fraction of training that is done, with kappa in the place of c: c = 2e-5 on Yelp (200 epochs of 440
steps) is kappa = 1.76, and only kappa means the same for another batch size, data set or length. The authors' code counts
forward passes instead (every pass of an accumulated step, validation too, per process). Here the pace is a function of the
Trainer's count of optimizer steps: accumulation, processes and validation change nothing, a resumed run goes on in place.

`linear` is the heuristic of the authors' ablation code: original rises to 1, frequency to a cap, front_greater is the rest;
their front_greater falls below 0 once both have risen, here it stops at 0 and the sum stays 1. `staged` is what the paper
says of that ablation: front_greater, then original, then frequency, linearly from one to the next.
"""

import math
from dataclasses import dataclass
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from tigerlite.config import check, check_choice

SCHEDULES = ("none", "exponential", "linear", "staged")
UNITS = ("steps", "fraction")
LATE = "frequency"


@dataclass(frozen=True, kw_only=True)
class CurriculumConfig:
    """How the weights of the targets move during training."""

    schedule: str = "none"
    """none, exponential (the paper), linear or staged (heuristics of its ablation)."""
    unit: str = "fraction"
    """What t is: steps (optimizer steps, the paper) or fraction (of the planned training)."""
    c: float = 2e-5
    """exponential, unit=steps: pace e^(-ct) per optimizer step (1e-5 to 5e-5 in the paper, best 2e-5 and 3e-5)."""
    kappa: float = 1.76
    """exponential, unit=fraction: pace e^(-kappa t), t from 0 to 1 (2e-5 over the paper's training on Yelp)."""
    original_rate: float = 1e-5
    """linear: rise of original per unit of t, up to 1 (the authors' code, per step; unit=fraction needs one per training)."""
    frequency_rate: float = 4e-6
    """linear: rise of frequency per unit of t, likewise."""
    frequency_cap: float = 0.4
    """linear: most that frequency rises to."""
    middle: float = 0.5
    """staged: fraction of training at which original has all the weight."""

    def __post_init__(self) -> None:
        check_choice("schedule", self.schedule, SCHEDULES)
        check_choice("unit", self.unit, UNITS)
        for name in ("c", "kappa", "original_rate", "frequency_rate"):
            value = self.__dict__[name]
            check(math.isfinite(value) and value >= 0, name, value, "a number >= 0")
        check(0 <= self.frequency_cap <= 1, "frequency_cap", self.frequency_cap, "a number in [0, 1]")
        check(0 < self.middle < 1, "middle", self.middle, "a number in (0, 1)")

    @property
    def unused(self) -> tuple[str, ...]:
        """Fields that the schedule does not read."""
        linear = ("original_rate", "frequency_rate", "frequency_cap")
        if self.schedule == "exponential":
            return ("kappa" if self.unit == "steps" else "c", *linear, "middle")
        if self.schedule == "linear":
            return ("c", "kappa", "middle")
        staged = () if self.schedule == "staged" else ("middle",)
        return ("unit", "c", "kappa", *linear, *staged)


def loss_weights(config: CurriculumConfig, targets: tuple[str, ...], step: int, n_steps: int) -> dict[str, float]:
    """What lambda of each target is multiplied by after `step` of `n_steps` optimizer steps.

    >>> config = CurriculumConfig(schedule="exponential", kappa=math.log(2))
    >>> loss_weights(config, ("front_greater", "frequency", "original"), 10, 10)
    {'front_greater': 0.5, 'frequency': 0.5, 'original': 0.5}
    """
    progress = min(step / max(n_steps, 1), 1.0)
    if config.schedule == "none":
        return dict.fromkeys(targets, 1.0)
    if config.schedule == "exponential":
        decay = math.exp(-config.c * step if config.unit == "steps" else -config.kappa * progress)
        return {target: 1 - decay if target == LATE else decay for target in targets}
    if config.schedule == "linear":
        weights = _linear(config, targets, step if config.unit == "steps" else progress)
    else:
        weights = _staged(config.middle, progress)
    present = {target: weights[target] for target in targets}
    total = sum(present.values())
    return {target: weight / total for target, weight in present.items()} if total else dict.fromkeys(targets, 1.0)


def _linear(config: CurriculumConfig, targets: tuple[str, ...], t: float) -> dict[str, float]:
    frequency = min(config.frequency_rate * t, config.frequency_cap) if LATE in targets else 0.0
    original = min(config.original_rate * t, 1.0) if "front_greater" in targets else 1.0 - frequency
    return {"front_greater": max(1.0 - original - frequency, 0.0), LATE: frequency, "original": original}


def _staged(middle: float, progress: float) -> dict[str, float]:
    if progress < middle:
        original = progress / middle
        return {"front_greater": 1 - original, LATE: 0.0, "original": original}
    late = (progress - middle) / (1 - middle)
    return {"front_greater": 0.0, LATE: late, "original": 1 - late}


class Curriculum(Callback):
    """Gives the module its loss weights before every training batch; validation leaves them as they are.

    The module offers `set_loss_weights({target: weight})`.

    Args:
        config: the schedule.
        targets: names that the module mixes.
    """

    def __init__(self, config: CurriculumConfig, targets: tuple[str, ...]) -> None:
        self._config = config
        self._targets = targets
        self._n_steps = 0
        self.weights: dict[str, float] = {}
        """What was set last."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the planned length of training, in optimizer steps."""
        self._n_steps = int(trainer.estimated_stepping_batches)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Set the weights of the optimizer step that the batch belongs to."""
        self.weights = loss_weights(self._config, self._targets, trainer.global_step, self._n_steps)
        pl_module.set_loss_weights(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """The weights that were set last; those of the next step follow from the Trainer's count."""
        return {"weights": dict(self.weights)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the weights of a checkpoint."""
        self.weights = dict(state_dict["weights"])
