"""Residual quantisation over L levels: each level codes what the levels before it left over.

Level l with residual r_l (r_1 = latent), MTGRec (arXiv 2504.04400) and TIGER (arXiv 2305.05065, Section 3.1):

    c_l = argmin_k |r_l - e_k|^2     q_l = e_{c_l}     ST(q_l) = r_l + sg(q_l - r_l)     r_{l+1} = r_l - ST(q_l)

The residual loses the straight-through value, so r_2, r_3, ... carry no gradient to the encoder: it gets the
reconstruction's gradient once and the commitment's from level 1 alone. Subtracting sg(q_l) would be another method.

In training, codes can be balanced over the batch (`sinkhorn.py`) and gradients pass otherwise (`assignment.py`): rotation
turns the latent onto the sum of all levels' vectors, once, in place of the identity; gumbel passes each level's residual on
with the gradient of its mixture.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tigerlite.distributed import all_gather_cat, broadcast, is_rank_zero, own_places
from tigerlite.tokenizers.assignment import gumbel_mixture, rotated, straight_through
from tigerlite.tokenizers.codebook import Codebook
from tigerlite.tokenizers.kmeans import kmeans
from tigerlite.tokenizers.sinkhorn import balanced_codes


@dataclass(frozen=True)
class Quantized:
    """What a residual quantiser makes of latents (B, D)."""

    codes: Tensor
    """(B, L) int64."""
    quantized: Tensor
    """(B, D), the sum over levels, with the straight-through gradient."""
    residuals: Tensor
    """(L, B, D), what each level had to quantise."""
    vectors: Tensor
    """(L, B, D), the codebook vectors it chose."""


class ResidualQuantizer(nn.Module):
    """L codebooks in sequence; in training mode `forward` also updates them.

    Args:
        codebook_sizes: codes per level.
        width: latent width D.
        kind: ema or gradient, see `Codebook`.
        decay: of the moving average.
    """

    def __init__(self, codebook_sizes: tuple[int, ...], width: int, *, kind: str, decay: float = 0.99) -> None:
        super().__init__()
        self.codebooks = nn.ModuleList(Codebook(size, width, kind=kind, decay=decay) for size in codebook_sizes)
        self.revive_after = 0
        """Optimizer steps without use after which a code is revived; 0 = never."""
        self.generator = torch.Generator()
        """Draws the latents that revived codes move to."""
        self.assignment = "straight_through"
        """How gradients pass the codes in training: straight_through, rotation or gumbel."""
        self.temperature = 1.0
        """Of gumbel."""
        self.sinkhorn_epsilons = (0.0,) * len(codebook_sizes)
        """Per level, smoothing of balanced codes in training; 0 = the nearest code."""
        self.sinkhorn_iterations = 50
        """Iterations that balance a batch."""

    def forward(self, latents: Tensor) -> Quantized:
        """Quantise latents (B, D)."""
        residual, codes, residuals, vectors = latents, [], [], []
        for codebook, epsilon in zip(self.codebooks, self.sinkhorn_epsilons, strict=True):
            if self.training and self.revive_after:
                codebook.revive(residual.detach(), after=self.revive_after, generator=self.generator)
            mixture = None
            if self.training and self.assignment == "gumbel":
                mixture = gumbel_mixture(codebook.distances(residual), self.temperature)
                code = mixture.argmax(dim=1)
            elif self.training and epsilon:
                code = self._balanced(codebook, residual.detach(), epsilon)
            else:
                code = codebook.nearest(residual)
            chosen = codebook.lookup(code)
            # A copy, since `update` moves the vectors before the gradient is taken.
            passed = residual if mixture is None else mixture @ codebook.vectors.clone()
            if self.training:
                codebook.update(residual.detach(), code)
            codes.append(code)
            residuals.append(residual)
            vectors.append(chosen)
            residual = residual - straight_through(passed, chosen)
        # The levels' straight-through values telescope: their sum is the latent minus what is left at the end.
        quantized = latents - residual
        if self.assignment == "rotation":
            quantized = rotated(latents, quantized.detach())
        return Quantized(torch.stack(codes, dim=1), quantized, torch.stack(residuals), torch.stack(vectors))

    @torch.no_grad()
    def encode(self, latents: Tensor) -> Tensor:
        """Codes (B, L) of latents (B, D), without touching the codebooks."""
        return self._chain(latents, len(self.codebooks))[0]

    @torch.no_grad()
    def last_level_distances(self, latents: Tensor) -> Tensor:
        """Squared distances (B, K) of what reaches the last level to each of its vectors."""
        residual = self._chain(latents, len(self.codebooks) - 1)[1]
        # Explicit differences: the expanded form loses the small distances, and the order of near codes with them.
        vectors = self.codebooks[-1].vectors
        return torch.cdist(residual, vectors, compute_mode="donot_use_mm_for_euclid_dist").square()

    @torch.no_grad()
    def initialise(self, latents: Tensor, seed: int) -> None:
        """Set each level to k-means centroids of what reaches it of latents (B, D); process 0 finds them for all.

        Raises:
            InputError: if there are fewer items than codes at a level.
        """
        residual = latents
        for level, codebook in enumerate(self.codebooks):
            centroids = torch.empty_like(codebook.vectors)
            if is_rank_zero():
                points = residual.cpu().numpy()
                found = kmeans(points, codebook.n_codes, seed=seed + level, setting="tokenize.rqvae.codebook_sizes")
                centroids.copy_(torch.from_numpy(found))
            codebook.set_vectors(broadcast(centroids))
            residual = residual - codebook.lookup(codebook.nearest(residual))

    def _chain(self, latents: Tensor, n_levels: int) -> tuple[Tensor, Tensor]:
        """Codes (B, n_levels) and the residual (B, D) after them."""
        residual, codes = latents, []
        for codebook in list(self.codebooks)[:n_levels]:
            codes.append(codebook.nearest(residual))
            residual = residual - straight_through(residual, codebook.lookup(codes[-1]))
        return torch.stack(codes, dim=1) if codes else latents.new_zeros(len(latents), 0), residual

    def _balanced(self, codebook: Codebook, residual: Tensor, epsilon: float) -> Tensor:
        """Codes (B,) of this process's residuals (B, D), balanced over the batch of all processes."""
        distances = codebook.distances(all_gather_cat(residual))
        codes = balanced_codes(distances, epsilon=epsilon, n_iterations=self.sinkhorn_iterations)
        return codes[own_places(len(residual), residual.device)]
