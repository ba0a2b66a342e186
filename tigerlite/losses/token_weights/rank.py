"""Rank: cross-entropy of logits / tau, LETTER's ranking-guided loss (arXiv 2405.07314, section 3.3).

tau < 1 sharpens the softmax, so that the gradient goes to the hardest negatives. Decoding and validation have tau = 1.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from tigerlite.config import check
from tigerlite.losses.objectives import LossContext, Terms


@dataclass(frozen=True, kw_only=True)
class RankConfig:
    """The temperature."""

    temperature: float = 0.6
    """tau > 0, 1 = plain cross-entropy (.6 is the default of arXiv 2601.17787's code, LETTER's script has 1)."""

    def __post_init__(self) -> None:
        check(self.temperature > 0, "temperature", self.temperature, "a number > 0")


class Rank(nn.Module):
    """Cross-entropy at a temperature."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, states: Tensor, targets: Tensor, context: LossContext) -> Terms:
        """Cross-entropy of logits / tau."""
        return Terms(context.cross_entropy(states.float() / self.temperature))
