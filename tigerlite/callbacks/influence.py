"""How much an optimizer step on one data group lowers the loss of the validation groups (MTGRec, arXiv 2504.04400, 3.3).

With mean gradients g_i of training group i and h_j of validation group j, the influence of i is

    s_i = < Gamma(g_i), sum_j w_ij h_j >,     Gamma(g): the direction of Adam's next step were g its gradient,

where w_i weighs the validation groups. Three estimators:

* `reference`, the released code to the letter: Gamma without bias correction, epsilon 1e-8 inside the root. Its mean over
  batches is a mean over targets here, so that neither short batches nor processes weigh more.
* `adam`: Gamma as Adam computes it (bias correction, epsilon outside).
* `directional`: the second moment hardly depends on i and the first is linear in g_i, so with u_i = sum_j w_ij h_j /
  (sqrt(v) + eps), s_i = beta1 <u_i, m> + (1 - beta1) <u_i, g_i> (over the bias correction), and <u_i, g_i> is the
  derivative of group i's training loss along u_i: two forward passes of the same users for all groups, no gradient.

Where w_i differs from group to group, <Gamma(0), sum_j w_ij h_j>, the part that the optimizer's memory plays whatever group
comes next, differs too and, weighing beta1 against 1 - beta1, would drown what group i does: it is taken off there, and it
alone makes our `others` differ from the formula. Where all w_i are equal it is one constant, which leaves p as it is.

Weight decay and clipping, which are part of the real step too, are left out by all, as in the paper.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from tigerlite.config import InputError
from tigerlite.distributed import all_reduce_sum

ESTIMATORS = ("reference", "adam", "directional")
LOSS_STEP = 1e-3
"""By how much (nats) the finite difference's step is to change the validation loss. Measured in float32: a hundredth of it drowns
in rounding, a hundred times it bends. The weights' norm is no measure, since weights without any gradient, whose second moment
is 0 up to rounding, make u as long as they like."""


class ShardLoss(NamedTuple):
    """Losses of a batch of one group."""

    shard: int
    total: Tensor
    """Sum over targets; differentiable where gradients are on."""
    n_targets: int


Losses = Callable[[int], Iterator[ShardLoss]]
"""Of a group: its batches on this process."""


@dataclass(frozen=True)
class Groups:
    """What influence is computed from."""

    train: Losses
    validation: Losses
    weights: Tensor
    """(M, M): row i weighs the validation groups for training group i and sums to 1."""
    n_shards: int


@dataclass(frozen=True)
class AdamState:
    """An Adam optimizer between two steps; moments are flattened over `parameters`."""

    parameters: list[Tensor]
    first: Tensor
    second: Tensor
    step: int
    """Steps taken."""
    betas: tuple[float, float]
    eps: float
    lr: float

    @classmethod
    def of(cls, optimizer: torch.optim.Optimizer) -> "AdamState":
        """The state of an Adam or AdamW that has taken a step; weights without a gradient so far have moments 0."""
        group = optimizer.param_groups[0]
        parameters = [weight for part in optimizer.param_groups for weight in part["params"]]
        states = [optimizer.state.get(weight, {}) for weight in parameters]
        first, second = (
            torch.cat(
                [
                    state.get(name, torch.zeros_like(weight)).flatten()
                    for state, weight in zip(states, parameters, strict=True)
                ]
            )
            for name in ("exp_avg", "exp_avg_sq")
        )
        step = max((int(state["step"]) for state in states if "step" in state), default=0)
        return cls(parameters, first, second, step, tuple(group["betas"]), group["eps"], float(group["lr"]))

    def reference_direction(self, gradient: Tensor) -> Tensor:
        """Gamma of the released code: betas .9 and .999 and epsilon 1e-8 whatever the optimizer's."""
        moved = 0.999 * self.second + 0.001 * gradient.square() + 1e-8
        return (0.9 * self.first + 0.1 * gradient) / moved.sqrt()

    def direction(self, gradient: Tensor) -> Tensor:
        """What Adam's next step would subtract, divided by the learning rate, if `gradient` were its gradient."""
        first = self.betas[0] * self.first + (1 - self.betas[0]) * gradient
        second = self.betas[1] * self.second + (1 - self.betas[1]) * gradient.square()
        return first / self.corrections[0] / ((second / self.corrections[1]).sqrt() + self.eps)

    @property
    def corrections(self) -> tuple[float, float]:
        """Bias corrections of the next step's moments."""
        return 1 - self.betas[0] ** (self.step + 1), 1 - self.betas[1] ** (self.step + 1)

    def scaled(self, gradient: Tensor) -> Tensor:
        """A gradient over the root of the second moment that the next step would have if its gradient were 0."""
        second = self.betas[1] * self.second / self.corrections[1]
        return gradient / (second.sqrt() + self.eps)


class Influence(NamedTuple):
    """Scores of M training groups."""

    scores: Tensor
    """(M,) float64."""
    shards: Tensor
    """(S, M) float64: what each shard of users says of <u_i, g_i>, with which `scores` rises; for judging noise only."""


def influence(estimator: str, groups: Groups, adam: AdamState) -> Influence:
    """The influence of every training group, equal on all processes.

    Args:
        estimator: reference, adam or directional.
    """
    n_groups = len(groups.weights)
    held_out = torch.stack([mean_gradient(groups.validation(j), adam.parameters) for j in range(n_groups)])
    weights = groups.weights.to(held_out)
    alike = bool((weights == weights[0]).all())
    wanted = (weights[:1] @ held_out).expand(n_groups, -1) if alike else weights @ held_out  # (M, P)
    if estimator == "directional":
        return _directional(groups, adam, wanted, alike)
    moved = adam.reference_direction if estimator == "reference" else adam.direction
    still = 0.0 if alike else moved(torch.zeros_like(wanted[0]))
    scores, shards = [], []
    for member in range(n_groups):
        along = _ShardDots(adam.scaled(wanted[member]), groups.n_shards)
        gradient = mean_gradient(groups.train(member), adam.parameters, along)
        scores.append((moved(gradient) - still).double() @ wanted[member].double())
        shards.append(along.means())
    return Influence(torch.stack(scores).cpu(), torch.stack(shards, dim=1))


def mean_gradient(
    losses: Iterator[ShardLoss], parameters: Sequence[Tensor], along: "_ShardDots | None" = None
) -> Tensor:
    """Gradient of the mean loss over the targets of all processes, flat (P,) float32, summed in float64.

    `.grad` is left alone, and so are the hooks of ddp: one sum over processes at the end replaces one per batch.

    Raises:
        InputError: if the group has no targets.
    """
    n_weights = sum(weight.numel() for weight in parameters)
    total = torch.zeros(n_weights, dtype=torch.float64, device=parameters[0].device)
    n_targets = torch.zeros(1, dtype=torch.float64)
    for part in losses:
        with torch.enable_grad():
            gradients = torch.autograd.grad(part.total, parameters, allow_unused=True)
        flat = torch.cat(
            [
                (torch.zeros_like(weight) if found is None else found).flatten()
                for found, weight in zip(gradients, parameters, strict=True)
            ]
        )
        total += flat
        n_targets += part.n_targets
        if along is not None:
            along.add(part, flat)
    total, n_targets = all_reduce_sum(total), all_reduce_sum(n_targets)
    if not float(n_targets):
        raise InputError("a data group has no targets, so it has no gradient; give every group samples")
    return (total / float(n_targets)).float()


class _ShardDots:
    """Mean derivative along a direction, shard by shard."""

    def __init__(self, direction: Tensor, n_shards: int) -> None:
        self._direction = direction
        self._sums = torch.zeros(2, n_shards, dtype=torch.float64)

    def add(self, part: ShardLoss, gradient: Tensor) -> None:
        self._sums[0, part.shard] += float(gradient.double() @ self._direction.double())
        self._sums[1, part.shard] += part.n_targets

    def means(self) -> Tensor:
        """(S,); 0 for a shard without targets."""
        sums = all_reduce_sum(self._sums)
        return sums[0] / sums[1].clamp(min=1)


def _directional(groups: Groups, adam: AdamState, wanted: Tensor, alike: bool) -> Influence:
    scores, shards = [], []
    for member in range(len(wanted)):
        if member == 0 or not alike:
            direction = adam.scaled(wanted[member])
            memory = float(direction.double() @ adam.first.double()) if alike else 0.0
            # Along u the validation loss rises by <u, h> at first.
            scale = LOSS_STEP / max(float(direction.double() @ wanted[member].double()), 1e-30)
        found = directional_derivative(
            partial(groups.train, member), adam.parameters, direction, scale=scale, n_shards=groups.n_shards
        )
        slope = found[0].sum() / found[1].sum()
        scores.append((adam.betas[0] * memory + (1 - adam.betas[0]) * slope) / adam.corrections[0])
        shards.append(found[0] / found[1].clamp(min=1))
    return Influence(torch.stack(scores), torch.stack(shards, dim=1))


@torch.no_grad()
def directional_derivative(
    losses: Callable[[], Iterator[ShardLoss]],
    parameters: Sequence[Tensor],
    direction: Tensor,
    *,
    scale: float,
    n_shards: int,
) -> Tensor:
    """Derivative of the summed losses along `direction` (P,), and targets, by shard and over all processes: (2, S) float64.

    A central difference: the losses at weights moved by +- scale * direction. The weights come back to the last bit.

    Args:
        losses: asked twice, for the same batches.
    """
    kept = [weight.clone() for weight in parameters]
    parts = direction.split([weight.numel() for weight in parameters])
    sums = torch.zeros(2, n_shards, dtype=torch.float64)
    try:
        for sign in (1, -1):
            for weight, before, part in zip(parameters, kept, parts, strict=True):
                weight.copy_(before + sign * scale * part.view_as(before))
            for found in losses():
                sums[0, found.shard] += sign * found.total.double().cpu()
                sums[1, found.shard] += found.n_targets / 2
    finally:
        for weight, before in zip(parameters, kept, strict=True):
            weight.copy_(before)
    sums = all_reduce_sum(sums)
    sums[0] /= 2 * scale
    return sums
