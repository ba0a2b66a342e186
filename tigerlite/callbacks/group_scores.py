"""From influence scores of data groups to the probabilities with which they are drawn (arXiv 2504.04400, Eq. for p).

At temperatures of the paper (tau >= .3) raw scores leave p within 2 % of uniform, since their spread is some .004; scores
of mean 0 and standard deviation 1 give tau the same meaning at every update and on every data set.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from tigerlite.config import InputError

GROUPS = ("all", "others", "central")


def validation_weights(kind: str, n_members: int, n_central: int) -> Tensor:
    """(M, M) weights of the validation groups (columns) in the score of each training group (rows); rows sum to 1.

    Args:
        kind: all (the paper), others (all but the group itself, whose own validation gradient would reward it for being
            badly learnt) or central (the first `n_central` members).

    >>> validation_weights("others", 3, 1).tolist()
    [[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
    """
    weights = torch.ones(n_members, n_members)
    if kind == "others":
        weights -= torch.eye(n_members)
    elif kind == "central":
        weights[:, n_central:] = 0
    return weights / weights.sum(dim=1, keepdim=True)


def cumulative(history: Sequence[tuple[float, Tensor]], *, normalised: bool) -> Tensor:
    """Scores (M,) over all updates so far: sum of learning rate x score (the paper's), or their average if `normalised`.

    Args:
        history: learning rate and scores of every update.

    >>> cumulative([(0.3, torch.tensor([1.0])), (0.1, torch.tensor([5.0]))], normalised=True)
    tensor([2.])
    """
    total = sum(rate for rate, _ in history) if normalised else 1.0
    return torch.stack([rate / total * scores for rate, scores in history]).sum(dim=0)


def standardised(scores: Tensor) -> Tensor:
    """Scores of mean 0 and standard deviation 1; all 0 where they are equal.

    Raises:
        InputError: if a score is not finite.
    """
    _require_finite(scores)
    centred = scores - scores.mean()
    deviation = centred.square().mean().sqrt()
    return centred / deviation if deviation > 1e-12 * scores.abs().max() else torch.zeros_like(scores)


def probabilities(scores: Tensor, tau: float, cap: float = 0.0) -> Tensor:
    """softmax(scores / tau), (M,) float64, no entry above cap / M.

    What is cut off goes to the others in proportion, again and again until all keep to the cap.

    Args:
        cap: in multiples of the uniform share; 0 = none.

    Raises:
        InputError: if tau <= 0 or a score is not finite.

    >>> probabilities(torch.tensor([0.0, 0.0, 50.0]), 1.0, cap=1.5)
    tensor([0.2500, 0.2500, 0.5000], dtype=torch.float64)
    """
    if tau <= 0:
        raise InputError(f"tau={tau} is out of range; allowed: a number > 0")
    _require_finite(scores)
    found = torch.softmax(scores.double() / tau, dim=0)
    limit = cap / len(scores)
    held = torch.zeros(len(scores), dtype=torch.bool)
    while cap and (found[~held] > limit * (1 + 1e-12)).any():
        held |= found >= limit
        rest = found.masked_fill(held, 0)
        left = 1 - limit * int(held.sum())
        # Shares that underflowed to 0 cannot be scaled up: they get what is left in equal parts.
        rest = rest / rest.sum() if rest.sum() > 0 else (~held).double() / (~held).sum().clamp(min=1)
        found = torch.where(held, torch.full_like(found, limit), rest * left)
    return found


def distance_from_uniform(found: Tensor) -> float:
    """Total-variation distance of p (M,) from uniform: half the sum of |p_i - 1/M|."""
    return float((found - 1 / len(found)).abs().sum() / 2)


def noise_p_value(shards: Tensor, *, n_resamples: int = 1000, seed: int = 0) -> float:
    """How often shards of users would spread the members' means as widely as they do if all members were alike.

    Bootstrap over shards under the null: what all members share in a shard is removed (they see the same users), then each
    member's mean; shards are drawn with replacement and the standard deviation over members is compared with the real one.

    Args:
        shards: (S, M) score of each member by each shard.

    Returns:
        A p-value; near 1 for noise.
    """
    if shards.shape[0] < 2 or shards.shape[1] < 2:
        return 1.0
    relative = shards.double() - shards.double().mean(dim=1, keepdim=True)
    means = relative.mean(dim=0)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(shards), (n_resamples, len(shards)), generator=generator)
    # A bootstrap mean varies (S - 1) / S as much as the mean does.
    correction = (len(shards) / (len(shards) - 1)) ** 0.5
    resampled = (relative - means)[drawn].mean(dim=1) * correction  # (R, M)
    as_wide = resampled.std(dim=1) >= means.std()
    return (1 + int(as_wide.sum())) / (1 + n_resamples)


def _require_finite(scores: Tensor) -> None:
    wrong = (~torch.isfinite(scores)).nonzero().flatten().tolist()
    if wrong:
        raise InputError(
            f"the influence of members {wrong} is not finite; the model has diverged: lower the learning rate, or set "
            "influence=uniform"
        )
