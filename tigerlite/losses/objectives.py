"""What generative training minimises: terms (n, P) per token whose mean is the loss.

Every objective is a module called with the decoder's states (n, P, D) of n targets, the targets and a `LossContext`; most
are a table of weights on one cross-entropy. The output head is linear without a bias, so logits that are scaled, or that
are differences of two passes, are those of scaled or subtracted states: objectives need no logits.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass(frozen=True)
class LossContext:
    """What an objective may ask the model for."""

    cross_entropy: Callable[[Tensor], Tensor]
    """Cross-entropy (n, P) of the labels under states (n, P, D)."""
    without_history: Callable[[], Tensor]
    """States (n, P, D) of the same labels given no history; a pass of its own."""


@dataclass(frozen=True)
class Terms:
    """What a batch costs."""

    losses: Tensor
    """(n, P); their mean is the loss."""
    parts: dict[str, Tensor] = field(default_factory=dict)
    """Scalars for the log, detached."""


class Weighted(nn.Module):
    """Cross-entropy under one table of weights.

    Args:
        table: (N + 1, P), a row per target item, or (1, P), the same for all.
    """

    table: Tensor

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.register_buffer("table", table.float(), persistent=False)

    def forward(self, states: Tensor, targets: Tensor, context: LossContext) -> Terms:
        """Weighted cross-entropy; with weights of 1 it is the plain one, bit for bit."""
        losses = context.cross_entropy(states)
        return Terms(losses * rows(self.table, targets), {"cross_entropy": losses.detach().mean()})


def rows(table: Tensor, targets: Tensor) -> Tensor:
    """Weights of target items (n,): (n, P), or (1, P) where all items have the same."""
    return table[targets] if len(table) > 1 else table
