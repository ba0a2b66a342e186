"""The one cross-entropy of generative training: per token, computed once; methods differ in how they weigh it.

For a target item with codes c_1..c_L, token l costs -log p(c_l | history, c_<l) (arXiv 2305.05065). Weightings (arXiv
2601.17787 and others) are a tensor (B, L) on it whose mean over the stated population is 1, so that losses stay on
the scale of plain cross-entropy.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def token_cross_entropy(logits: Sequence[Tensor], labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of every label token, shape (B, L).

    Args:
        logits: one tensor per level, (B, K_l): levels may differ in size.
        labels: class of each level, shape (B, L).
        label_smoothing: mass spread uniformly over a level's classes.
    """
    losses = [
        F.cross_entropy(level.float(), labels[:, index], reduction="none", label_smoothing=label_smoothing)
        for index, level in enumerate(logits)
    ]
    return torch.stack(losses, dim=1)


def weighted_mean(losses: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean over tokens of `weights * losses`, both (B, L); without weights the plain mean, bit for bit."""
    return losses.mean() if weights is None else (losses * weights).mean()
