"""Optimiser and learning-rate schedule, stated in epochs so that the number of processes changes nothing."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from tigerlite.config import check, check_choice

SCHEDULES = ("constant", "linear", "cosine", "inverse_sqrt")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW and its schedule."""

    lr: float = 1e-3
    """Peak learning rate."""
    weight_decay: float = 0.05
    """Decoupled weight decay (MTGRec, arXiv 2504.04400, applies .05 to every parameter)."""
    decay_all: bool = False
    """Also decay norms and biases, as the released MTGRec does."""
    schedule: str = "cosine"
    """constant, linear (to 0), cosine (to 0) or inverse_sqrt, after warm-up."""
    warmup_epochs: float = 0.5
    """Linear warm-up, in epochs (fractions allowed)."""
    clip: float = 1.0
    """Gradient-norm clipping; 0 = off."""

    def __post_init__(self) -> None:
        check(self.lr > 0, "lr", self.lr, "a number > 0")
        check(self.weight_decay >= 0, "weight_decay", self.weight_decay, "a number >= 0")
        check(self.warmup_epochs >= 0, "warmup_epochs", self.warmup_epochs, "a number >= 0")
        check(self.clip >= 0, "clip", self.clip, "a number >= 0")
        check_choice("schedule", self.schedule, SCHEDULES)


@dataclass(frozen=True)
class SeparateGroup:
    """Parameters with a learning rate of their own, under the same schedule, without weight decay or clipping."""

    parameters: list[nn.Parameter]
    lr: float


def build_optimizer(
    model: nn.Module, config: OptimizerConfig, *, fused: bool = True, separate: Sequence[SeparateGroup] = ()
) -> torch.optim.AdamW:
    """AdamW over the trainable parameters; vectors (norm scales, biases) are not decayed unless `decay_all`.

    Args:
        model: whose parameters to train.
        config: learning rate and decay.
        fused: one kernel for all float32 parameters. A float16 scaler needs False: gradients then are unscaled before they
            are clipped, not inside the step.
        separate: parameters of the model that have settings of their own.
    """
    apart = {id(parameter) for group in separate for parameter in group.parameters}
    parameters = [
        parameter for parameter in model.parameters() if parameter.requires_grad and id(parameter) not in apart
    ]
    decayed = [parameter for parameter in parameters if config.decay_all or parameter.ndim > 1]
    kept = [parameter for parameter in parameters if not config.decay_all and parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    groups += [
        {"params": group.parameters, "weight_decay": 0.0, "lr": group.lr, "clipped": False} for group in separate
    ]
    fused = fused and all(parameter.dtype == torch.float32 for parameter in parameters)
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=config.lr, fused=fused)


def learning_rate_factor(config: OptimizerConfig, epoch: float, n_epochs: float) -> float:
    """The schedule's factor on the peak learning rate after `epoch` of `n_epochs` epochs (fractions count).

    >>> config = OptimizerConfig(schedule="linear", warmup_epochs=1)
    >>> [learning_rate_factor(config, epoch, 5) for epoch in (0.5, 1, 3, 5)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if epoch < config.warmup_epochs:
        return epoch / config.warmup_epochs
    progress = min(1.0, (epoch - config.warmup_epochs) / max(n_epochs - config.warmup_epochs, 1e-9))
    if config.schedule == "linear":
        return 1.0 - progress
    if config.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * progress))
    if config.schedule == "inverse_sqrt":
        return math.sqrt(max(config.warmup_epochs, 1.0) / max(epoch, config.warmup_epochs, 1.0))
    return 1.0


def build_schedule(
    optimizer: torch.optim.Optimizer, config: OptimizerConfig, *, steps_per_epoch: int, n_epochs: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """A per-step scheduler whose shape depends on epochs only."""
    # The step being taken counts as done: the first step of a warm-up then moves, the last of a cosine does not stop early.
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_factor(config, (step + 0.5) / steps_per_epoch, n_epochs)
    )


def count_parameters(parameters: Iterable[nn.Parameter]) -> int:
    """Number of trainable scalars."""
    return sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
