"""FMLP-Rec: learnable filters in the frequency domain instead of attention (arXiv 2202.13556).

    h_t^0 = dropout(LN(E[x_t] + P[t]))                            section 4.1.1
    a = LN(h + dropout(irfft(W * rfft(h))))                      section 4.1.2, one filter W (n/2 + 1, D) per layer
    h' = LN(a + dropout(W_2 gelu(W_1 a + b_1) + b_2))             section 4.1.2
    score of item i after x_1..x_t = <h_t, E[i]>                  section 4.1.3

Causality. Multiplying spectra is a *circular* convolution over the n = max_history positions: every state depends on
every item, later ones too, and training all positions at once would show each its own target. The authors therefore
train the last position of every prefix, one pass per target. Here the same filter k = irfft(W) acts as a causal
convolution, h_t = sum_(j <= t) k_(t-j) h_j, and one pass trains all positions. The last state of a layer is exactly that of
the circular filter over the prefix left-padded with zeros; with several layers only the states before the last differ,
which in the paper's network also mix in items after them. So the cost is that of SASRec, and a state may be computed once.

The authors' code (github.com/RUCAIBox/FMLP-Rec/blob/f3c4285) pads on the left: positions count from the end, as here
(`positions_from_end`; but a prefix within a row has those of the row), and the padding before an item enters the filter
as LN(E[0] + P[t]), where here nothing enters for padding. It trains BCE with one negative (`loss=bce`, `n_negatives=1`; the
paper writes a pairwise loss), and also the first item of a sequence, from nothing but padding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tigerlite.recommenders.baselines.blocks import (
    FeedForward,
    check_length,
    check_sizes,
    initialise,
    positions_from_end,
)
from tigerlite.recommenders.dropout import Dropout


@dataclass(frozen=True, kw_only=True)
class FMLPConfig:
    """Sizes of FMLP-Rec; defaults those of the authors' code."""

    n_layers: int = 2
    """Blocks."""
    d_model: int = 64
    """D, width of states and item embeddings."""
    d_ff: int = 256
    """Inner width of the feed-forward layers (4 d_model)."""
    dropout: float = 0.5
    """On embeddings and sublayers."""

    def __post_init__(self) -> None:
        check_sizes(self, ("n_layers", "d_model", "d_ff"))


class FMLP(nn.Module):
    """Causal filters over item ids.

    Args:
        config: sizes.
        n_items: N.
        max_history: T, the longest sequence and the length n of the filters.

    >>> network = FMLP(FMLPConfig(d_model=8), n_items=5, max_history=4)
    >>> network(torch.tensor([[3, 1, 0]])).shape, network.item_embeddings.shape
    (torch.Size([1, 3, 8]), torch.Size([6, 8]))
    """

    def __init__(self, config: FMLPConfig, n_items: int, max_history: int) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, config.d_model, padding_idx=0)
        self.positions = nn.Embedding(max_history, config.d_model)
        self.norm = nn.LayerNorm(config.d_model)
        self.filters = nn.ModuleList(
            FilterLayer(config.d_model, max_history, config.dropout) for _ in range(config.n_layers)
        )
        self.feed_forwards = nn.ModuleList(
            FeedForward(config.d_model, config.d_ff, config.dropout) for _ in range(config.n_layers)
        )
        self.dropout = Dropout(config.dropout)
        self.apply(initialise)

    @property
    def item_embeddings(self) -> Tensor:
        """(N + 1, D), row 0 = padding."""
        return self.items.weight

    def forward(self, sequences: Tensor) -> Tensor:
        """States (B, T, D) of right-padded item ids (B, T); those at padding mean nothing.

        Raises:
            InputError: if T is more than max_history.
        """
        check_length(sequences, self.positions.num_embeddings)
        hidden = self.dropout(self.norm(self.items(sequences) + self.positions(positions_from_end(sequences))))
        for filter_layer, feed_forward in zip(self.filters, self.feed_forwards, strict=True):
            hidden = feed_forward(filter_layer(hidden))
        return hidden


class FilterLayer(nn.Module):
    """LN(h + dropout(k * h)), k the filter whose spectrum is learned and * a causal convolution per dimension.

    Args:
        d_model: D.
        length: n, positions of the filter.
        dropout: on the filtered states.
    """

    def __init__(self, d_model: int, length: int, dropout: float) -> None:
        super().__init__()
        self.length = length
        # Real and imaginary parts; N(0, .02^2) in the authors' code.
        self.spectrum = nn.Parameter(0.02 * torch.randn(length // 2 + 1, d_model, 2))
        self.norm = nn.LayerNorm(d_model)
        self.dropout = Dropout(dropout)

    @property
    def kernel(self) -> Tensor:
        """k, (n, D): weight of the item that is 0, 1, ..., n - 1 places back."""
        return torch.fft.irfft(torch.view_as_complex(self.spectrum.float()), n=self.length, dim=0)

    def forward(self, hidden: Tensor) -> Tensor:
        """New hidden states (B, T, D), T <= n."""
        steps = torch.arange(hidden.shape[1], device=hidden.device)
        back = steps[:, None] - steps  # (T, T): places from query t back to j
        # A product instead of FFTs: exactly nothing of later items, and as fast at these lengths.
        weights = self.kernel[back.clamp(min=0)] * (back >= 0)[:, :, None]  # (T, T, D)
        filtered = torch.einsum("tjd,bjd->btd", weights.to(hidden.dtype), hidden)
        return self.norm(self.dropout.add(hidden, filtered))
