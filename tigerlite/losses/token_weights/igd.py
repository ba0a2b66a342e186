"""IGD: tokens that decide nothing weigh less, by information gain over the trie of items (arXiv 2506.13229).

IG(prefix, code) is what a code takes off the entropy of the items below its prefix; a token without gain (the only way
on) weighs beta instead of 1. In decoding, the log-probability of a code is multiplied by 1 - alpha * IG, with IG scaled to
[0, 1] among its siblings: decisive codes cost less. Probabilities of items are their shares of the training targets; the
comparison of arXiv 2601.17787 counts validation and test interactions as well and leaves the decoding out.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tigerlite.config import check, check_choice

ENTROPIES = ("catalogue", "prefix")


@dataclass(frozen=True, kw_only=True)
class IGDConfig:
    """Weights of training and calibration of decoding."""

    beta: float = 0.1
    """Weight of a token without information gain in units of the others (tried: .08 to .6 in IGD's code)."""
    alpha: float = 0.2
    """Strength of the calibration in decoding, in [0, 1); 0 = none (2601.17787's comparison)."""
    entropy: str = "catalogue"
    """Sum of -p log p over the items of a prefix with p their shares of the whole catalogue (IGD's code: the gain is never
    negative, and 0 for an only child) or of the prefix (2601.17787's code)."""

    def __post_init__(self) -> None:
        check(0 <= self.beta <= 1, "beta", self.beta, "a number in [0, 1]")
        check(0 <= self.alpha < 1, "alpha", self.alpha, "a number in [0, 1)")
        check_choice("entropy", self.entropy, ENTROPIES)


def information_gain(codes: Tensor, counts: Tensor, *, entropy: str = "catalogue") -> Tensor:
    """IG of every code of every item given the codes before it, nats, (N, L) float64; O(N L).

    Args:
        codes: (N, L).
        counts: (N,) occurrences of the items; below a prefix whose items never occur they count alike for
            entropy=prefix, and as nothing for entropy=catalogue.
        entropy: catalogue or prefix.

    >>> information_gain(torch.tensor([[0, 0], [0, 1], [1, 0]]), torch.tensor([1, 1, 2]), entropy="prefix").tolist()[2]
    [1.0397207708399179, 0.0]
    """
    group = torch.zeros(len(codes), dtype=torch.int64)
    before = _entropy(group, counts.double(), entropy)[group]
    gains = []
    for level in codes.unbind(1):
        group = torch.unique(group * (int(codes.max()) + 1) + level, return_inverse=True)[1]
        after = _entropy(group, counts.double(), entropy)[group]
        gains.append((before - after).clamp(min=0))
        before = after
    found = torch.stack(gains, dim=1)
    # Sums in another order differ in the last digits; such a difference is no information.
    return found.masked_fill(found < 1e-12, 0.0)


def igd_weights(gain: Tensor, beta: float, *, targets: Tensor, n_ends: int = 0) -> Tensor:
    """Weights (N, L + n_ends) of gains (N, L), mean 1 over the tokens of the training targets.

    The authors divide by the sum over each batch, which makes a loss depend on how its batch is split; here the sum is over
    the training targets.

    Args:
        targets: (N,) how often each item is a training target.
        n_ends: tokens without gain after the codes (EOS).
    """
    raw = torch.where(gain > 0, 1.0, beta).double()
    raw = torch.nn.functional.pad(raw, (0, n_ends), value=beta)
    mean = (raw.mean(dim=1) * targets.double()).sum() / targets.double().sum()
    return raw / mean


def igd_calibration(codes: Tensor, gain: Tensor, alpha: float) -> Tensor:
    """Factors (N, L) on the log-probabilities of every item's codes: 1 - alpha * IG, scaled to [0, 1] among siblings.

    Siblings that do not differ in gain keep the factor 1.
    """
    parents = torch.zeros(len(codes), dtype=torch.int64)
    factors = []
    for level, values in zip(codes.unbind(1), gain.unbind(1), strict=True):
        n_parents = int(parents.max()) + 1
        low = torch.full((n_parents,), torch.inf, dtype=values.dtype).scatter_reduce(0, parents, values, "amin")
        high = torch.full((n_parents,), -torch.inf, dtype=values.dtype).scatter_reduce(0, parents, values, "amax")
        width = (high - low)[parents]
        scaled = torch.where(width > 0, (values - low[parents]) / width.clamp(min=1e-30), 0.0)
        factors.append(1 - alpha * scaled)
        parents = torch.unique(parents * (int(codes.max()) + 1) + level, return_inverse=True)[1]
    return torch.stack(factors, dim=1)


def _entropy(group: Tensor, counts: Tensor, entropy: str) -> Tensor:
    """Entropy of the items of each group, (G,)."""
    n_groups = int(group.max()) + 1
    if entropy == "catalogue":
        shares = counts / counts.sum()
        return torch.zeros(n_groups, dtype=torch.float64).index_add_(0, group, -torch.xlogy(shares, shares))
    mass = torch.zeros(n_groups, dtype=torch.float64).index_add_(0, group, counts)
    alike = torch.where(mass[group] > 0, counts, 1.0)
    mass = torch.zeros(n_groups, dtype=torch.float64).index_add_(0, group, alike)
    shares = alike / mass[group]
    return torch.zeros(n_groups, dtype=torch.float64).index_add_(0, group, -torch.xlogy(shares, shares))
