"""The items of a batch as mixtures of codes: every different item is encoded once, however often histories repeat it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding

from tigerlite.tokenizers.soft_quantizer import SoftQuantized
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE


@dataclass(frozen=True)
class SoftBatch:
    """The different items of sequences; padding is none of them."""

    items: Tensor
    """(U,) ascending."""
    places: Tensor
    """(B, T) row of each position's item in `vectors`, 0 at padding."""
    counts: Tensor
    """(U,) how often each occurs."""
    inputs: Tensor
    """(U, D') what the tokenizer read."""
    quantized: SoftQuantized
    """Mixtures of the U items."""


def soften(sequences: Tensor, inputs: Tensor, tokenizer: SoftRQVAE) -> SoftBatch:
    """Mixtures for sequences (B, T) of item ids, 0 at padding, with the tokenizer's inputs (N + 1, D') of all items."""
    # Padding leads the sorted items whether there is any or not, so that its rows can be cut off without asking.
    found = torch.cat([sequences.new_zeros(1), sequences.flatten()])
    items, places, counts = torch.unique(found, return_inverse=True, return_counts=True)
    items, places, counts = items[1:], places[1:].view(sequences.shape), counts[1:]
    rows = inputs[items]
    return SoftBatch(items, places, counts, rows, tokenizer.quantize(rows))


def expected_embeddings(shares: tuple[Tensor, ...], table: Tensor, offsets: tuple[int, ...]) -> Tensor:
    """Mean token embedding (U, L, D) of each level under shares (U, K) per level; a lookup where shares are one-hot.

    Args:
        shares: L tensors.
        table: (V, D) token embeddings.
        offsets: token of code 0 at each level.
    """
    with torch.autocast(table.device.type, enabled=False):
        levels = [
            level @ table[start : start + level.shape[1]].float() for level, start in zip(shares, offsets, strict=False)
        ]
        return torch.stack(levels, dim=1)


def scattered(vectors: Tensor, pad: Tensor, places: Tensor) -> Tensor:
    """Embeddings (B, T * L, D) at places (B, T): 0 is padding (D,), j is row j - 1 of vectors (U, L, D)."""
    n_levels, width = vectors.shape[1:]
    table = torch.cat([pad.float().expand(1, n_levels, width), vectors]).flatten(1)
    return embedding(places, table).view(len(places), -1, width)


def means_of_seen(seen: Tensor, encoded: Tensor) -> Tensor:
    """Mean (B, P, D) of the encoded tokens (B, S, D) that each of P targets sees, (P, S) or (B, P, S) bool."""
    shares = seen.to(encoded.dtype)
    return (shares / shares.sum(dim=-1, keepdim=True).clamp(min=1)) @ encoded
