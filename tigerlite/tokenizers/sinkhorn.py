"""Balanced codes: every code gets about the same number of a batch's latents, by Sinkhorn's iterations.

LETTER (arXiv 2405.07314) takes them in training from its predecessors: with distances d (B, K) centred and scaled over the
batch to about [-1, 1], Q = exp(-d / epsilon); each iteration scales the rows of Q to 1 / B, then its columns to 1 / K;
a latent's code is the largest entry of its row. Equal latents get equal codes. The released code computes Q itself,
which overflows float64 from epsilon = .001 on; here log Q is kept, and numbers are only exponentiated where none can
leave the range of float64. After training, `sinkhorn_rounds` spreads groups of colliding items, many at once.
"""

import math

import torch
from torch import Tensor

# Iterations between two returns to logarithms. One of them scales an entry by at most B * K, so ten of them move
# what has underflowed (below e^-708) to e^-450 at most for a million latents and a thousand codes: nothing.
_BLOCK = 10

# A plan whose logarithms move less in a block of iterations moves no further.
_STILL = 1e-13


@torch.no_grad()
def balanced_codes(distances: Tensor, *, epsilon: float, n_iterations: int) -> Tensor:
    """Codes (..., B) of latents with squared distances (..., B, K) to the codes' vectors, evenly spread within each batch.

    Args:
        distances: of one batch, over which codes are balanced, or of several equally large ones; a code at infinity is not used.
        epsilon: > 0, in units of half the range of distances; the larger, the more even.
        n_iterations: >= 1.

    >>> distances = torch.tensor([[0.0, 1.0], [0.1, 1.0], [0.2, 1.0], [0.3, 1.0]])
    >>> balanced_codes(distances, epsilon=0.05, n_iterations=50).tolist()
    [0, 0, 1, 1]
    """
    return log_plan(_scaled(distances), epsilon=epsilon, n_iterations=n_iterations).argmax(dim=-1)


def log_plan(costs: Tensor, *, epsilon: float, n_iterations: int) -> Tensor:
    """Logarithm (..., B, K) float64 of the plans for costs (..., B, K): columns sum to 1 / K, rows almost to 1 / B.

    K counts the codes of finite cost; the others get minus infinity.
    """
    used = costs.isfinite().any(dim=-2, keepdim=True)  # (..., 1, K)
    n_rows, n_columns = costs.shape[-2], used.sum(dim=-1, keepdim=True).double()
    plan = -costs.double() / epsilon
    # The first iteration may move any distance; after it rows and columns only ever change by factors up to B * K.
    plan = plan - plan.logsumexp(dim=-1, keepdim=True) - math.log(n_rows)
    plan = torch.where(used, plan - plan.logsumexp(dim=-2, keepdim=True) - n_columns.log(), -math.inf)
    for done in range(1, n_iterations, _BLOCK):
        kernel = plan.exp()
        columns = used.transpose(-1, -2).double()  # (..., K, 1)
        for _ in range(min(_BLOCK, n_iterations - done)):
            rows = 1 / (n_rows * (kernel @ columns))
            columns = 1 / (n_columns * (kernel.transpose(-1, -2) @ rows))
            columns = torch.where(used.transpose(-1, -2), columns, 0.0)
        moves = torch.where(used, columns.transpose(-1, -2).log(), 0.0) + rows.log()
        plan = plan + moves
        if moves.abs().max() < _STILL:
            break
    return plan


def _scaled(distances: Tensor) -> Tensor:
    """Distances (..., B, K) in float64, moved and scaled to about [-1, 1] over each batch."""
    distances = distances.double()
    largest = torch.where(distances.isfinite(), distances, -math.inf).amax(dim=(-2, -1), keepdim=True)
    smallest = distances.amin(dim=(-2, -1), keepdim=True)
    middle = (largest + smallest) / 2
    # The constant of the released code; it keeps equal distances finite.
    return (distances - middle) / (largest - middle + 1e-5)
