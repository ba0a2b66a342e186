"""Residual quantisation over L levels: each level codes what the levels before it left over.

Level l with residual r_l (r_1 = latent), MTGRec (arXiv 2504.04400) and TIGER (arXiv 2305.05065, Section 3.1):

    c_l = argmin_k |r_l - e_k|^2     q_l = e_{c_l}     ST(q_l) = r_l + sg(q_l - r_l)     r_{l+1} = r_l - ST(q_l)

The residual loses the straight-through value, so r_2, r_3, ... carry no gradient to the encoder: it gets the
reconstruction's gradient once and the commitment's from level 1 alone. Subtracting sg(q_l) would be another method.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tigerlite.distributed import broadcast, is_rank_zero
from tigerlite.tokenizers.codebook import Codebook
from tigerlite.tokenizers.kmeans import kmeans


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

    def forward(self, latents: Tensor) -> Quantized:
        """Quantise latents (B, D)."""
        residual, codes, residuals, vectors = latents, [], [], []
        for codebook in self.codebooks:
            if self.training and self.revive_after:
                codebook.revive(residual.detach(), after=self.revive_after, generator=self.generator)
            code = codebook.nearest(residual)
            chosen = codebook.lookup(code)
            if self.training:
                codebook.update(residual.detach(), code)
            codes.append(code)
            residuals.append(residual)
            vectors.append(chosen)
            residual = residual - _straight_through(residual, chosen)
        # The levels' straight-through values telescope: their sum is the latent minus what is left at the end.
        return Quantized(torch.stack(codes, dim=1), latents - residual, torch.stack(residuals), torch.stack(vectors))

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
            residual = residual - _straight_through(residual, codebook.lookup(codes[-1]))
        return torch.stack(codes, dim=1) if codes else latents.new_zeros(len(latents), 0), residual


def _straight_through(residual: Tensor, chosen: Tensor) -> Tensor:
    return residual + (chosen - residual).detach()
