"""CFT: also fit what the history alone adds to the logits (counterfactual fine-tuning, arXiv 2410.22809).

L = L_pos(f(x)) + lambda * L_pos(f(x) - f(no history)), with position weights on both terms and gradients through both
passes. Validation is plain cross-entropy, as in CFT's code (arXiv 2601.17787's code adds the term there too).
"""

from dataclasses import dataclass

from torch import Tensor, nn

from tigerlite.config import check
from tigerlite.losses.objectives import LossContext, Terms


@dataclass(frozen=True, kw_only=True)
class CFTConfig:
    """Weights of tokens and of the counterfactual term."""

    beta: float = 0.25
    """Weight of the last token in units of the first (.25 in CFT's code, .5 in 2601.17787's)."""
    weight: float = 0.1
    """lambda, of the counterfactual term (.1 in both)."""

    def __post_init__(self) -> None:
        check(0 <= self.beta <= 1, "beta", self.beta, "a number in [0, 1]")
        check(self.weight >= 0, "weight", self.weight, "a number >= 0")


class CFT(nn.Module):
    """Position-weighted cross-entropy of the logits and of their difference to those without a history.

    Args:
        positions: (1, P) weights of the tokens.
        weight: of the counterfactual term.
    """

    positions: Tensor

    def __init__(self, positions: Tensor, weight: float) -> None:
        super().__init__()
        self.register_buffer("positions", positions.float(), persistent=False)
        self.weight = weight

    def forward(self, states: Tensor, targets: Tensor, context: LossContext) -> Terms:
        """Both terms; the second pass reads the labels without any history."""
        factual = context.cross_entropy(states)
        causal = context.cross_entropy(states.float() - context.without_history().float())
        parts = {"cross_entropy": factual.detach().mean(), "counterfactual": causal.detach().mean()}
        return Terms(self.positions * (factual + self.weight * causal), parts)
