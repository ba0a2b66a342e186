"""Balanced codes: every code gets about the same number of a batch's latents, by Sinkhorn's iterations.

LETTER (arXiv 2405.07314) takes them in training from its predecessors: with distances d (B, K) centred and scaled over the
batch to about [-1, 1], Q = exp(-d / epsilon); each iteration scales the rows of Q to 1 / B, then its columns to 1 / K;
a latent's code is the largest entry of its row. Equal latents get equal codes. The released code computes Q itself,
which overflows float64 from epsilon = .001 on; here log Q is kept, and numbers are only exponentiated where none can
leave the range of float64. After training, groups of colliding items are spread by `sinkhorn_rounds.spread_groups`.
"""

import math

import torch
from torch import Tensor

# Iterations between two returns to logarithms. One of them scales an entry by at most B * K, so ten of them move
# what has underflowed (below e^-708) to e^-450 at most for a million latents and a thousand codes: nothing.
_BLOCK = 10


@torch.no_grad()
def balanced_codes(distances: Tensor, *, epsilon: float, n_iterations: int) -> Tensor:
    """Codes (B,) of latents with squared distances (B, K) to the codes' vectors, evenly spread.

    Args:
        distances: of one batch, over which codes are balanced.
        epsilon: > 0, in units of half the range of distances; the larger, the more even.
        n_iterations: >= 1.

    >>> distances = torch.tensor([[0.0, 1.0], [0.1, 1.0], [0.2, 1.0], [0.3, 1.0]])
    >>> balanced_codes(distances, epsilon=0.05, n_iterations=50).tolist()
    [0, 0, 1, 1]
    """
    return log_plan(_scaled(distances), epsilon=epsilon, n_iterations=n_iterations).argmax(dim=1)


def log_plan(costs: Tensor, *, epsilon: float, n_iterations: int) -> Tensor:
    """Logarithm (B, K) float64 of the plan for costs (B, K): its columns sum to 1 / K, its rows almost to 1 / B."""
    n_rows, n_columns = costs.shape
    plan = -costs.double() / epsilon
    # The first iteration may move any distance; after it rows and columns only ever change by factors up to B * K.
    plan = plan - plan.logsumexp(dim=1, keepdim=True) - math.log(n_rows)
    plan = plan - plan.logsumexp(dim=0) - math.log(n_columns)
    for done in range(1, n_iterations, _BLOCK):
        kernel = plan.exp()
        columns = kernel.new_ones(n_columns)
        for _ in range(min(_BLOCK, n_iterations - done)):
            rows = 1 / (n_rows * (kernel @ columns))
            columns = 1 / (n_columns * (kernel.T @ rows))
        plan = plan + rows.log()[:, None] + columns.log()
    return plan


def _scaled(distances: Tensor) -> Tensor:
    """Distances (B, K) in float64, moved and scaled to about [-1, 1] over the batch."""
    distances = distances.double()
    largest, smallest = distances.max(), distances.min()
    middle = (largest + smallest) / 2
    # The constant of the released code; it keeps equal distances finite.
    return (distances - middle) / (largest - middle + 1e-5)
