"""Several weightings of one cross-entropy, mixed by coefficients alpha that training may learn (arXiv 2601.17787, 4.2).

lambda_j > 0 per target, alpha_j = pace_j lambda_j / sum, where the pace comes from the curriculum. The paper derives the
mixture from logits scaled by alpha_j and drops the partition term that remains. What is left has no trade-off to learn:
dL/ds_j = -alpha_j (L_j - mean L), so the smallest loss takes all, at a speed that is Adam's learning rate whatever the gap.
The variants here: `softmax` (lambda = exp(-s), the authors' code), `normalised_softplus`, `logit_scaling` (the paper's
derivation with its partition term), `uncertainty` (arXiv 1705.07115 with its log term, an interior optimum) and `fixed`.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tigerlite.config import InputError, check, check_choice
from tigerlite.losses.objectives import LossContext, Terms, rows

ORIGINAL = "original"
TARGETS = ("front_greater", "frequency", ORIGINAL)
UNITS = ("steps", "fraction")
MIXINGS = ("softmax", "normalised_softplus", "logit_scaling", "uncertainty", "fixed")


@dataclass(frozen=True, kw_only=True)
class MultiTargetConfig:
    """Which weightings are mixed, and how."""

    targets: tuple[str, ...] = TARGETS
    """front_greater, frequency and original (plain cross-entropy), two or three of them."""
    mixing: str = "softmax"
    """softmax (the authors' code), normalised_softplus, logit_scaling (cross-entropy of logits times alpha_j), uncertainty
    (precision times loss plus half the log variance) or fixed."""
    weights: tuple[float, ...] = ()
    """mixing=fixed: lambda of each target, > 0; empty = all 1."""
    unit: str = "steps"
    """What the speed of lambda is given per: steps (`lr` per optimizer step, the authors' code) or fraction (`travel` over the
    planned training, so that the race of the targets is as far after a tenth of a short training as after one of a long)."""
    lr: float = 5e-4
    """unit=steps: learning rate of lambda, under the network's schedule, without weight decay or clipping (5e-4, the network's
    own, with both, in the authors' code)."""
    travel: float = 44.0
    """unit=fraction: learning rate times optimizer steps (44 = 5e-4 x the 88,000 steps of the paper's training on Yelp)."""

    def __post_init__(self) -> None:
        for target in self.targets:
            check_choice("targets", target, TARGETS)
        different = len(set(self.targets)) == len(self.targets) >= 2
        check(different, "targets", list(self.targets), f"two or three different of {', '.join(TARGETS)}")
        check_choice("mixing", self.mixing, MIXINGS)
        check_choice("unit", self.unit, UNITS)
        check(self.lr > 0, "lr", self.lr, "a number > 0")
        check(self.travel > 0, "travel", self.travel, "a number > 0")
        if self.weights:
            fits = len(self.weights) == len(self.targets) and min(self.weights) > 0
            check(fits, "weights", list(self.weights), f"{len(self.targets)} numbers > 0, one per target, or none")

    @property
    def unused(self) -> tuple[str, ...]:
        """Fields of the mixings and units that were not chosen."""
        if self.mixing == "fixed":
            return ("unit", "lr", "travel")
        # The unit is left out where it is not set, since configs were named before there was a choice.
        return ("weights", "lr") if self.unit == "fraction" else ("weights", "unit", "travel")

    def learning_rate(self, n_steps: int) -> float:
        """Peak learning rate of lambda in a training of so many optimizer steps.

        >>> round(MultiTargetConfig(unit="fraction").learning_rate(8800), 6)
        0.005
        """
        return self.travel / n_steps if self.unit == "fraction" else self.lr


class Mixing(nn.Module):
    """Coefficients of J targets."""

    pace: Tensor

    def __init__(self, config: MultiTargetConfig) -> None:
        super().__init__()
        self.kind = config.mixing
        self.targets = config.targets
        start = torch.zeros(len(self.targets))
        if self.kind == "normalised_softplus":
            start = start + torch.tensor(1.0).expm1().log()  # softplus of it is 1
        if self.kind == "fixed":
            values = torch.tensor(config.weights or [1.0] * len(self.targets))
            self.register_buffer("state", values, persistent=False)
        else:
            self.state = nn.Parameter(start)
        # A function of the step, set before every one.
        self.register_buffer("pace", torch.ones(len(self.targets)), persistent=False)

    def set_pace(self, pace: dict[str, float]) -> None:
        """Set what the curriculum multiplies lambda by.

        Raises:
            InputError: if it names other targets than the mixture has, or leaves none.
        """
        if set(pace) != set(self.targets):
            raise InputError(f"loss weights are for {sorted(pace)}, the mixture has {sorted(self.targets)}")
        values = [float(pace[target]) for target in self.targets]
        if not (all(math.isfinite(value) and value >= 0 for value in values) and max(values) > 0):
            raise InputError(f"loss weights {pace} must be numbers >= 0, at least one of them > 0")
        self.pace.copy_(torch.tensor(values))

    def alphas(self) -> Tensor:
        """(J,) on the simplex; for uncertainty the shares of its unnormalised precisions."""
        if self.kind in ("softmax", "logit_scaling", "uncertainty"):
            return torch.softmax(self.pace.log() - self.state, dim=0)
        mass = self.pace * (F.softplus(self.state) if self.kind == "normalised_softplus" else self.state)
        return mass / mass.sum()

    def coefficients(self) -> Tensor:
        """(J,) factors of the losses: alpha, or for uncertainty pace * exp(-s)."""
        return self.pace * torch.exp(-self.state) if self.kind == "uncertainty" else self.alphas()

    def penalty(self) -> Tensor:
        """What is added to the loss: half the log variances for uncertainty, else 0.

        With s = log sigma^2 the likelihood of a target costs exp(-s) L + s / 2; the pace scales both, so that a target that
        fades out leaves its s alone.
        """
        return 0.5 * (self.pace * self.state).sum() if self.kind == "uncertainty" else self.pace.new_zeros(())


class MultiTarget(nn.Module):
    """A mixture of weightings of one cross-entropy.

    Args:
        config: targets and mixing.
        tables: name -> weights (N + 1, P) or (1, P) of every target but `original`.
    """

    def __init__(self, config: MultiTargetConfig, tables: dict[str, Tensor]) -> None:
        super().__init__()
        self.config = config
        self.mixing = Mixing(config)
        for target in config.targets:
            table = torch.ones(1, 1) if target == ORIGINAL else tables[target]
            self.register_buffer(f"table_{target}", table.float(), persistent=False)

    def forward(self, states: Tensor, targets: Tensor, context: LossContext) -> Terms:
        """The mixture; per-target losses, alpha and its entropy as parts."""
        weights = [rows(self.get_buffer(f"table_{name}"), targets) for name in self.mixing.targets]
        alphas, coefficients = self.mixing.alphas(), self.mixing.coefficients()
        if self.mixing.kind == "logit_scaling":
            each = [w * context.cross_entropy(states.float() * a) for w, a in zip(weights, alphas, strict=True)]
            losses = torch.stack(each).sum(dim=0)
        else:
            plain = context.cross_entropy(states)
            each = [w * plain for w in weights]
            mixed = sum(c * w for c, w in zip(coefficients, weights, strict=True))
            losses = mixed * plain + self.mixing.penalty()
        return Terms(losses, self._parts(each, alphas))

    @torch.no_grad()
    def _parts(self, each: list[Tensor], alphas: Tensor) -> dict[str, Tensor]:
        parts = {"alpha_entropy": -torch.xlogy(alphas, alphas).sum()}
        for name, losses, alpha, pace in zip(self.mixing.targets, each, alphas, self.mixing.pace, strict=True):
            parts |= {f"loss/{name}": losses.mean(), f"alpha/{name}": alpha.detach(), f"pace/{name}": pace.clone()}
        return parts
