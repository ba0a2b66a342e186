"""Soft residual quantisation: every level is a mixture of its codes, so that gradients reach the encoder through all of them.

UniGRec (arXiv 2601.17438). With the residual r_l of level l (r_1 = latent) and the temperature tau:

    p_l(k) = softmax_k(-|r_l - e_k|^2 / tau)     q_l = sum_k p_l(k) e_k     r_{l+1} = r_l - q_l

Codes are argmax_k p_l(k) along this chain. The paper's hard codes follow a chain that subtracts the chosen vector; where a
small tau has made mixtures codes both agree (`soft_agreement.py` says how far). Codes of the soft chain are what the mixtures are
closest to.

Everything is in float32 (`whole_float32.py`): distances are divided by tau, about 1e-3, and so is their rounding. They are
computed from differences, since |r|^2 + |e|^2 - 2re of nearly equal vectors keeps few digits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tigerlite.config import InputError
from tigerlite.tokenizers.whole_float32 import whole_float32


@dataclass(frozen=True)
class SoftQuantized:
    """What a soft quantiser makes of latents (B, D)."""

    codes: Tensor
    """(B, L) int64, the likeliest code of each level."""
    quantized: Tensor
    """(B, D), the sum of the levels' mixtures."""
    distances: tuple[Tensor, ...]
    """Per level, squared distances (B, K) of its residual to its codes."""
    shares: tuple[Tensor, ...]
    """Per level, p (B, K)."""


class SoftQuantizer(nn.Module):
    """L codebooks in sequence; the temperature is part of its state, so that codes are never read at another one.

    Args:
        codebook_sizes: codes per level.
        width: latent width D.
        temperature: tau to begin with.
    """

    temperature: Tensor

    def __init__(self, codebook_sizes: Sequence[int], width: int, temperature: float) -> None:
        super().__init__()
        start = (torch.empty(size, width).uniform_(-1 / size, 1 / size) for size in codebook_sizes)
        self.codebooks = nn.ParameterList(nn.Parameter(vectors) for vectors in start)
        self.register_buffer("temperature", torch.tensor(0.0))
        self.set_temperature(temperature)

    def set_temperature(self, temperature: float) -> None:
        """Use another tau from now on.

        Raises:
            InputError: if it is not above 0.
        """
        if not temperature > 0:
            raise InputError(f"temperature={temperature} is out of range; allowed: a number > 0")
        self.temperature.fill_(temperature)

    def forward(self, latents: Tensor) -> SoftQuantized:
        """Mixtures of the codes for latents (B, D)."""
        with whole_float32(latents.device.type):
            residual = latents.float()
            codes, distances, shares = [], [], []
            for vectors in self.codebooks:
                distances.append(squared_distances(residual, vectors))
                shares.append(torch.softmax(-distances[-1] / self.temperature, dim=1))
                codes.append(distances[-1].argmin(dim=1))
                residual = residual - shares[-1] @ vectors
            quantized = latents.float() - residual
        return SoftQuantized(torch.stack(codes, dim=1), quantized, tuple(distances), tuple(shares))

    def hard_distances(self, latents: Tensor) -> tuple[Tensor, ...]:
        """Per level, squared distances (B, K) where each level subtracts the nearest vector instead of the mixture."""
        residual, distances = latents.float(), []
        for vectors in self.codebooks:
            distances.append(squared_distances(residual, vectors))
            residual = residual - vectors[distances[-1].argmin(dim=1)]
        return tuple(distances)


def squared_distances(rows: Tensor, vectors: Tensor) -> Tensor:
    """Squared distances (B, K) of rows (B, D) to vectors (K, D), float32, exact also where they nearly coincide.

    >>> squared_distances(torch.tensor([[1000.0]]), torch.tensor([[1000.0], [1000.001]]))[0, 0]
    tensor(0.)
    """
    return _SquaredDistances.apply(rows, vectors)


class _SquaredDistances(torch.autograd.Function):
    """Differences forward; matrix products backward, about a common centre, where a share of the digits is enough."""

    @staticmethod
    def forward(context: Any, rows: Tensor, vectors: Tensor) -> Tensor:
        context.save_for_backward(rows, vectors)
        return torch.cdist(rows, vectors, compute_mode="donot_use_mm_for_euclid_dist").square()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        rows, vectors = context.saved_tensors
        centre = vectors.mean(dim=0)
        rows, vectors = rows - centre, vectors - centre
        # d = |r - e|^2: dr = 2 sum_k g_k (r - e_k), de_k = 2 sum_r g_rk (e_k - r)
        to_rows = 2 * (gradient.sum(dim=1, keepdim=True) * rows - gradient @ vectors)
        to_vectors = 2 * (gradient.sum(dim=0)[:, None] * vectors - gradient.T @ rows)
        return to_rows, to_vectors
