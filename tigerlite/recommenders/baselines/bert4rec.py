"""BERT4Rec: a bidirectional Transformer that fills in masked items (arXiv 1904.06690).

    h_t^0 = dropout(LN(E[x_t] + P[t]))                                               section 3.4
    h = Encoder(h^0)                                   eq. 1 to 6; every position sees every other one
    s_t = LN(gelu(W h_t + b)),  score of item i at a masked t = <s_t, E[i]>            eq. 7, tied to E

LN and dropout at the input and LN before the scores are those of the authors' code; the paper has neither. Training is the
Cloze task of section 3.6: of each sequence max(1, round(.2 n)) items are replaced by a mask and predicted; in one of
eleven passes over a sequence the last item alone is, as in use, where a mask after the last item asks for the next one.
Masks are a function of (seed, epoch, sequence), see `masking.py`. The masked losses of a sequence are averaged (eq. 8)
and weighed by its number of targets: an epoch weighs every user as the other networks do.

The authors' code (github.com/FeiSun/BERT4Rec/blob/615eaf2) differs: it masks ten static copies of the data, and one
more in which the last item is masked; of a sequence it masks at most 20 to 40 items; a step's loss is the mean over its
masked positions, which would make it depend on how many processes share the step. BERT's 80/10/10 replacement is off
there too. It adds a bias per item (b^O of eq. 7), which an inner product has no place for, and BERT's segment embedding,
one vector for all. Its positions count from the first item; here from the last, since histories asked about are longer
than those trained on (`positions_from_end`). It reads T - 1 items and the mask; here T items and the mask. It cuts longer
sequences into windows .1 T or .5 T apart, trains on the validation items too, and lets the rate fall linearly from 1e-4.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from tigerlite.config import check
from tigerlite.recommenders.baselines.blocks import (
    Encoder,
    check_length,
    check_sizes,
    initialise,
    padding_bias,
    positions_from_end,
)
from tigerlite.recommenders.dropout import Dropout


@dataclass(frozen=True, kw_only=True)
class BERT4RecConfig:
    """Sizes of BERT4Rec and its masks."""

    n_layers: int = 2
    """Blocks (2 in the paper)."""
    d_model: int = 64
    """D, width of states and item embeddings (16 to 256 in the paper, 64 in its analyses)."""
    n_heads: int = 2
    """Attention heads (2 of width 32 in the paper); divides d_model."""
    d_ff: int = 256
    """Inner width of the feed-forward layers (4 d_model in the paper)."""
    dropout: float = 0.2
    """On embeddings, attention weights and sublayers (RecBole's; the authors have .1 or .2 on attention and .1 to .5 else)."""
    mask_share: float = 0.2
    """Share of a sequence's items that is masked, at least one (.2 for MovieLens, .4 for Steam, .6 for Beauty in the paper)."""
    last_share: float = 0.09
    """Share of the sequences of an epoch in which the last item alone is masked (one copy of eleven in the authors' code)."""

    def __post_init__(self) -> None:
        check_sizes(self, ("n_layers", "d_model", "n_heads", "d_ff"))
        check(0 < self.mask_share < 1, "mask_share", self.mask_share, "a number in (0, 1)")
        check(0 <= self.last_share <= 1, "last_share", self.last_share, "a number in [0, 1]")


class BERT4Rec(nn.Module):
    """Bidirectional Transformer over item ids, of which n_items + 1 is the mask.

    Args:
        config: sizes.
        n_items: N.
        max_history: T; sequences may have one item more, the masked one.

    >>> import torch
    >>> network = BERT4Rec(BERT4RecConfig(d_model=8), n_items=5, max_history=4)
    >>> network(torch.tensor([[3, 1, 6]])).shape, network.item_embeddings.shape
    (torch.Size([1, 3, 8]), torch.Size([6, 8]))
    """

    def __init__(self, config: BERT4RecConfig, n_items: int, max_history: int) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 2, config.d_model, padding_idx=0)
        self.positions = nn.Embedding(max_history + 1, config.d_model)
        self.input_norm = nn.LayerNorm(config.d_model)
        self.encoder = Encoder(config)
        self.transform = nn.Linear(config.d_model, config.d_model)
        self.output_norm = nn.LayerNorm(config.d_model)
        self.dropout = Dropout(config.dropout)
        self.apply(initialise)

    @property
    def item_embeddings(self) -> Tensor:
        """(N + 1, D), row 0 = padding; without the mask's row."""
        return self.items.weight[:-1]

    def forward(self, sequences: Tensor) -> Tensor:
        """States (B, T, D) of right-padded ids (B, T), each from the whole sequence; those at padding mean nothing.

        Raises:
            InputError: if T is more than max_history + 1.
        """
        check_length(sequences, self.positions.num_embeddings)
        embedded = self.items(sequences) + self.positions(positions_from_end(sequences))
        hidden = self.encoder(self.dropout(self.input_norm(embedded)), padding_bias(sequences))
        return self.output_norm(F.gelu(self.transform(hidden)))

    def cloze_states(self, sequences: Tensor) -> Tensor:
        """The same: this network has no other way to read."""
        return self(sequences)
