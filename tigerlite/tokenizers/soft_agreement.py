"""Do mixtures and codes say the same of an item? UniGRec's encoder reads mixtures, its decoder writes codes (arXiv 2601.17438).

Annealing is to bring them together. Where training ends before it has, an item's code is one of several that are nearly as
likely, tells less than its mixture, and changes at the next nudge.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tigerlite.losses.quantization import reconstruction_loss
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE


@dataclass(frozen=True)
class Agreement:
    """How far the codes of a soft tokenizer are its mixtures, over all items."""

    largest_share: tuple[float, ...]
    """Per level, mean share of the likeliest code; 1 = the mixture is the code."""
    same_code: tuple[float, ...]
    """Per level, share of the items whose code is also that of a chain which subtracts codes instead of mixtures."""
    same_codes: float
    """Share of the items for which that is so at every level."""
    lost_by_mixtures: float
    """Reconstruction error from the mixtures over the variance of the inputs; 0 = nothing is lost, 1 = everything."""
    lost_by_codes: float
    """The same from the vectors of the codes."""


@torch.no_grad()
def agreement(tokenizer: SoftRQVAE, embeddings: Tensor, chunk: int = 4096) -> Agreement:
    """Measure a tokenizer at its temperature on embeddings (N, D)."""
    inputs = tokenizer.normalise(embeddings)
    shares, same, errors = [], [], []
    for part in inputs.split(chunk):
        soft = tokenizer.quantize(part)
        hard = [distances.argmin(dim=1) for distances in tokenizer.quantizer.hard_distances(tokenizer.encoder(part))]
        shares.append(torch.stack([level.amax(dim=1) for level in soft.shares], dim=1))
        same.append(torch.stack(hard, dim=1) == soft.codes)
        vectors = zip(tokenizer.quantizer.codebooks, soft.codes.unbind(dim=1), strict=True)
        latents = torch.stack([soft.quantized, sum(codebook[codes] for codebook, codes in vectors)])
        errors.append(len(part) * torch.stack([reconstruction_loss(tokenizer.decoder(one), part) for one in latents]))
    variance = inputs.var(dim=0, correction=0).mean()
    by_mixtures, by_codes = (torch.stack(errors).sum(dim=0) / len(inputs) / variance).tolist()
    equal = torch.cat(same)
    return Agreement(
        largest_share=tuple(torch.cat(shares).mean(dim=0).tolist()),
        same_code=tuple(equal.float().mean(dim=0).tolist()),
        same_codes=float(equal.all(dim=1).float().mean()),
        lost_by_mixtures=by_mixtures,
        lost_by_codes=by_codes,
    )
