"""Position token weights: earlier tokens weigh more, falling linearly (Pos; CFT's weights, arXiv 2410.22809)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tigerlite.config import check


@dataclass(frozen=True, kw_only=True)
class PositionConfig:
    """How fast the weights fall."""

    beta: float = 0.25
    """Weight of the last token in units of the first (.25 in CFT's code; arXiv 2601.17787's code compares with .5)."""

    def __post_init__(self) -> None:
        check(0 <= self.beta <= 1, "beta", self.beta, "a number in [0, 1]")


def position_weights(n_tokens: int, beta: float) -> Tensor:
    """Weights (n_tokens,) ~ 1 - (1 - beta)(t - 1) / (n - 1), mean 1, float64.

    The papers divide the weighted sum by the sum of the weights over a batch, which is the same.

    >>> (position_weights(5, 0.5) * 0.75).tolist()
    [1.0, 0.875, 0.75, 0.625, 0.5]
    """
    raw = torch.linspace(1, beta, n_tokens, dtype=torch.float64) if n_tokens > 1 else torch.ones(1, dtype=torch.float64)
    return raw / raw.mean()
