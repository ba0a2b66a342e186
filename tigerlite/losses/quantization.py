"""The three terms of an RQ-VAE's loss, as means over everything (levels, items, dimensions).

TIGER (arXiv 2305.05065, Section 3.1) and LETTER (arXiv 2405.07314) write sums over levels and dimensions; the released
code of LETTER and MTGRec (arXiv 2504.04400) takes these means, so the commitment of one of L levels weighs beta / L.
"""

from torch import Tensor
from torch.nn.functional import mse_loss


def reconstruction_loss(reconstructions: Tensor, inputs: Tensor) -> Tensor:
    """Mean squared error of reconstructions (B, D) against inputs (B, D)."""
    return mse_loss(reconstructions, inputs)


def commitment_loss(residuals: Tensor, vectors: Tensor) -> Tensor:
    """Pulls the residuals (L, B, D) towards the chosen codebook vectors (L, B, D), which get no gradient."""
    return mse_loss(residuals, vectors.detach())


def codebook_loss(residuals: Tensor, vectors: Tensor) -> Tensor:
    """Pulls the chosen codebook vectors (L, B, D) towards the residuals (L, B, D), which get no gradient."""
    return mse_loss(vectors, residuals.detach())
