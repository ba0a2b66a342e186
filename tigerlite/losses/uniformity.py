"""Codeword uniformity: how far the mean use of codes is from even use.

UniGRec (arXiv 2601.17438): with p(k) = softmax_k(-|r - e_k|^2 / temperature) and its mean over the batch pbar, the term is
sum_k pbar(k) log pbar(k). Here log K is added, a constant, so that even use costs 0: the divergence KL(pbar || uniform). UniGRec
sums it over levels, as its paper does; `uniformity_loss`, of tokenizers with hard codes, averages, as its released code does.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from tigerlite.distributed import all_reduce_sum, is_initialised, world_size


def uniformity_loss(distances: Sequence[Tensor], temperature: float) -> Tensor:
    """Mean over levels of KL(pbar || uniform) for squared distances (B, K) of each level's residuals to its codes.

    The batch is that of all processes.
    """
    return torch.stack([_divergence(level, temperature) for level in distances]).mean()


def usage_divergence(shares: Tensor) -> Tensor:
    """KL(pbar || uniform) of one level's shares (B, K); the batch is that of all processes."""
    return divergence_of_use(_mean_over_processes(shares))


def divergence_of_use(use: Tensor) -> Tensor:
    """KL(use || uniform) of the codes' use (K,), which sums to 1."""
    # A share that underflows to 0 costs 0.
    return torch.special.xlogy(use, use.clamp(min=torch.finfo(use.dtype).tiny)).sum() + math.log(use.shape[0])


def _divergence(distances: Tensor, temperature: float) -> Tensor:
    return usage_divergence(torch.softmax(-distances.float() / temperature, dim=1))


def _mean_over_processes(rows: Tensor) -> Tensor:
    """Mean (K,) of all processes' rows (B, K); its gradient reaches this process's."""
    total = rows.sum(dim=0)
    if not is_initialised():
        return total / len(rows)
    everything = all_reduce_sum(torch.cat([total.detach(), total.new_tensor([float(len(rows))])]))
    # ddp averages gradients over processes; the sum over processes is what the loss asks for.
    return (everything[:-1] + world_size() * (total - total.detach())) / everything[-1]
