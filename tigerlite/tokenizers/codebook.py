"""One level of codes: nearest vector, learned by moving averages or by gradient, with revival of dead codes.

The moving average is MTGRec's (arXiv 2504.04400; from arXiv 1711.00937, Appendix A.1). Per batch and code k, with n_k
latents assigned to it and s_k their sum:

    N_k <- g N_k + (1 - g) n_k      m_k <- g m_k + (1 - g) s_k      n = sum_k N_k
    e_k <- m_k / w_k,  w_k = n (N_k + eps) / (n + K eps)

n_k and s_k are summed over processes. Assignment uses the codebook before the update.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tigerlite.distributed import all_reduce_sum, broadcast

CODEBOOKS = ("ema", "gradient")

# Distances held at a time: 64 MiB of float32, however many items are encoded.
_MAX_DISTANCES = 2**24


class Codebook(nn.Module):
    """K vectors of width D.

    Args:
        n_codes: K.
        width: D.
        kind: ema (buffers moved by `update`) or gradient (a parameter, moved by the codebook loss).
        decay: g of the moving average.
        epsilon: its smoothing; keeps the vector of a code that is never used finite.

    >>> codebook = Codebook(2, 1, kind="ema")
    >>> codebook.set_vectors(torch.tensor([[0.0], [1.0]]))
    >>> codebook.nearest(torch.tensor([[0.5], [0.6]]))  # a tie goes to the lower code
    tensor([0, 1])
    """

    vectors: Tensor
    counts: Tensor
    sums: Tensor
    unused_steps: Tensor

    def __init__(self, n_codes: int, width: int, *, kind: str, decay: float = 0.99, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.kind, self.decay, self.epsilon = kind, decay, epsilon
        start = torch.empty(n_codes, width).uniform_(-1 / n_codes, 1 / n_codes)
        if kind == "gradient":
            self.vectors = nn.Parameter(start)
        else:
            self.register_buffer("vectors", start)
            self.register_buffer("counts", torch.ones(n_codes))
            self.register_buffer("sums", start.clone())
        self.register_buffer("unused_steps", torch.zeros(n_codes, dtype=torch.int64))

    @property
    def n_codes(self) -> int:
        """Codes, K."""
        return self.vectors.shape[0]

    @torch.no_grad()
    def set_vectors(self, vectors: Tensor) -> None:
        """Start from vectors (K, D), each counted as one latent (N_k = 1, m_k = e_k)."""
        self.vectors.copy_(vectors)
        if self.kind == "ema":
            self.counts.fill_(1.0)
            self.sums.copy_(vectors)

    @torch.no_grad()
    def nearest(self, latents: Tensor) -> Tensor:
        """Code (B,) of the nearest vector to each of latents (B, D) in float32; ties go to the lower code."""
        rows = max(1, _MAX_DISTANCES // self.n_codes)
        # bf16 keeps 8 bits: under autocast many latents would get another code than when they are encoded later.
        with torch.autocast(latents.device.type, enabled=False):
            vectors = self.vectors.float()
            norms = vectors.square().sum(dim=1)
            # |x|^2 is the same for all codes and would only add rounding.
            parts = [
                torch.addmm(norms, part, vectors.T, alpha=-2).argmin(dim=1) for part in latents.float().split(rows)
            ]
        return torch.cat(parts)

    def distances(self, latents: Tensor) -> Tensor:
        """Squared distances (B, K) of latents (B, D) to every vector in float32, with their gradient."""
        with torch.autocast(latents.device.type, enabled=False):
            # A copy: `update` moves the vectors before the gradient is taken.
            vectors, latents = self.vectors.float().clone(), latents.float()
            norms = latents.square().sum(dim=1, keepdim=True) + vectors.square().sum(dim=1)
            return (norms - 2 * latents @ vectors.T).clamp(min=0)

    def lookup(self, codes: Tensor) -> Tensor:
        """Vectors (..., D) of codes (...)."""
        return functional.embedding(codes, self.vectors)

    @torch.no_grad()
    def update(self, latents: Tensor, codes: Tensor) -> None:
        """Take in one training batch, latents (B, D) with their codes (B,): moving average and steps without use."""
        # A product with one-hot rows adds in a fixed order; index_add_ on a GPU does not.
        assigned = functional.one_hot(codes, self.n_codes).to(torch.float32)  # (B, K)
        with torch.autocast(latents.device.type, enabled=False):
            statistics = torch.cat([assigned.sum(dim=0)[:, None], assigned.T @ latents.float()], dim=1)
        statistics = all_reduce_sum(statistics)  # (K, 1 + D)
        counts, sums = statistics[:, 0], statistics[:, 1:]
        self.unused_steps.add_(1).masked_fill_(counts > 0, 0)
        if self.kind == "ema":
            self.counts.lerp_(counts, 1 - self.decay)
            self.sums.lerp_(sums, 1 - self.decay)
            total = self.counts.sum()
            weights = total * (self.counts + self.epsilon) / (total + self.n_codes * self.epsilon)
            self.vectors.copy_(self.sums / weights[:, None])

    @torch.no_grad()
    def revive(self, latents: Tensor, *, after: int, generator: torch.Generator) -> None:
        """Move codes that `after` steps in a row left unused onto random latents (B, D) of the batch of process 0.

        Args:
            latents: candidates; different codes get different ones as long as B >= K.
            after: optimizer steps, >= 1.
            generator: a CPU generator; only the one of process 0 matters.
        """
        rows = torch.randperm(latents.shape[0], generator=generator)
        rows = rows[torch.arange(self.n_codes) % latents.shape[0]].to(latents.device)
        candidates = broadcast(latents[rows].to(self.vectors.dtype))
        # Masks instead of indices: which codes are dead never has to reach the CPU.
        dead = self.unused_steps >= after
        self.vectors.copy_(torch.where(dead[:, None], candidates, self.vectors))
        if self.kind == "ema":
            self.counts.masked_fill_(dead, 1.0)
            self.sums.copy_(torch.where(dead[:, None], candidates, self.sums))
        self.unused_steps.masked_fill_(dead, 0)
