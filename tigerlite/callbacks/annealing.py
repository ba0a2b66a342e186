"""Annealed Inference Alignment: the temperature of soft identifiers falls while the tokenizer trains (arXiv 2601.17438).

Soft training and hard inference are brought together by tau from tau_max to tau_min, per optimizer step in the paper and per
epoch in its code. There the last epoch has tau_min plus one step; here the last step (or epoch) has tau_min exactly. The
temperature is a function of the Trainer's count, so accumulation, processes and an interruption change nothing.

The learning rate falls to 0 as well: mixtures are brought to a code only by steps taken at tau_min. `hold` is the share of
training, at its end, for that.
"""

import math
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from tigerlite.config import check, check_choice

SCHEDULES = ("linear", "cosine", "exponential", "constant")


def annealed(tau_max: float, tau_min: float, schedule: str, done: float) -> float:
    """The temperature when a fraction `done` of training, 0 to 1, lies behind.

    >>> [round(annealed(0.01, 0.001, "linear", done), 4) for done in (0.0, 0.5, 1.0)]
    [0.01, 0.0055, 0.001]
    >>> round(annealed(0.01, 0.0001, "exponential", 0.5), 6)
    0.001
    """
    if schedule == "constant":
        return tau_min
    if schedule == "exponential":
        return tau_max * (tau_min / tau_max) ** done
    fraction = 1 - done if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return tau_min + (tau_max - tau_min) * fraction


class Annealing(Callback):
    """Gives the module its temperature before every training batch; outside training the last one stays.

    The module offers `set_temperature(tau)`.

    Args:
        tau_max: at the start.
        tau_min: at the end.
        schedule: linear, cosine, exponential or constant (tau_min).
        per: step or epoch.
        hold: share of training, at its end, at tau_min.

    Raises:
        ConfigError: if a temperature is not above 0, the schedule is unknown, or `hold` leaves no training before it.
    """

    def __init__(self, tau_max: float, tau_min: float, schedule: str, per: str = "step", hold: float = 0.0) -> None:
        check(tau_min > 0, "tau_min", tau_min, "a number > 0")
        if schedule != "constant":
            check(tau_max >= tau_min, "tau_max", tau_max, f"a number >= tau_min={tau_min}")
        check_choice("schedule", schedule, SCHEDULES)
        check_choice("anneal_per", per, ("step", "epoch"))
        check(0 <= hold < 1, "hold", hold, "a number in [0, 1)")
        self._tau_max, self._tau_min, self._schedule, self._per = tau_max, tau_min, schedule, per
        self._hold = hold
        self._n_steps = 0
        self.temperature = 0.0
        """What was set last."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the planned length of training."""
        self._n_steps = int(trainer.estimated_stepping_batches if self._per == "step" else trainer.max_epochs or 1)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Set the temperature of the step that the batch belongs to."""
        step = trainer.global_step if self._per == "step" else trainer.current_epoch
        # A training of one step is at its end.
        n_falling = (1 - self._hold) * (self._n_steps - 1)
        done = min(step / n_falling, 1.0) if n_falling else 1.0
        self.temperature = annealed(self._tau_max, self._tau_min, self._schedule, done)
        pl_module.set_temperature(self.temperature)

    def state_dict(self) -> dict[str, Any]:
        """The temperature that was set last; that of the next step follows from the Trainer's count."""
        return {"temperature": self.temperature}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the temperature of a checkpoint."""
        self.temperature = state_dict["temperature"]
