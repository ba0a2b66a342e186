"""S3-Rec: a Transformer over items, pre-trained to tell what belongs together (arXiv 2008.07873).

    h_t^0 = dropout(LN(E[x_t] + P[t]))                                                              section 4.2
    fine-tuning:   s = Encoder(h^0), every state from x_1..x_t only;  score of item i = <s_t, E[i]>         eq. 9
    pre-training:  the same network reads both ways, some items masked; four objectives               section 4.3

The objectives are in `losses/self_supervised.py`, their sum in `S3RecObjectives`. Choose them by
`pretrain.nextitem.objective=self_supervised`, and `finetune` continues from the weights. Features of items are read in
pre-training alone; fine-tuned without it, which is allowed and logged, the network is a SASRec normalised after each
sublayer.

LN and dropout at the input and gelu (eq. 8: relu) are those of the authors' code
(github.com/RUCAIBox/CIKM2020-S3Rec/blob/2a81540/models.py). It fine-tunes with BCE on one negative (`loss=bce`,
`n_negatives=1`; eq. 18 is a pairwise loss), here the full softmax is the default. It pads on the left, so that positions
count from the end, as here (`positions_from_end`). It pre-trains on every prefix of a sequence; here each sequence occurs
once per epoch, with other masks. Its negative of a masked item is none of the sequence, here any other item.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from tigerlite.config import check
from tigerlite.data.item_features import FIRST
from tigerlite.losses.self_supervised import attribute_prediction, contrast
from tigerlite.recommenders.baselines.blocks import (
    Encoder,
    causal_bias,
    check_length,
    check_sizes,
    initialise,
    padding_bias,
    positions_from_end,
)
from tigerlite.recommenders.dropout import Dropout


@dataclass(frozen=True, kw_only=True)
class S3RecConfig:
    """Sizes of S3-Rec and the weights of its objectives; defaults those of the paper (section 5.1.4) and its code."""

    n_layers: int = 2
    """Blocks."""
    d_model: int = 64
    """D, width of states and item embeddings."""
    n_heads: int = 2
    """Attention heads; divides d_model."""
    d_ff: int = 256
    """Inner width of the feed-forward layers (4 d_model)."""
    dropout: float = 0.5
    """On embeddings, attention weights and sublayers."""
    mask_share: float = 0.2
    """Share of the items that pre-training masks, beside the last one, which it always does."""
    aap_weight: float = 0.2
    """Of associated attribute prediction."""
    mip_weight: float = 1.0
    """Of masked item prediction."""
    map_weight: float = 1.0
    """Of masked attribute prediction."""
    sp_weight: float = 0.5
    """Of segment prediction."""

    def __post_init__(self) -> None:
        check_sizes(self, ("n_layers", "d_model", "n_heads", "d_ff"))
        check(0 <= self.mask_share < 1, "mask_share", self.mask_share, "a number in [0, 1)")
        for name in ("aap_weight", "mip_weight", "map_weight", "sp_weight"):
            check(vars(self)[name] >= 0, name, vars(self)[name], "a number >= 0")


class S3Rec(nn.Module):
    """Transformer over item ids, of which n_items + 1 is the mask; arguments as `BERT4Rec`'s.

    >>> import torch
    >>> network = S3Rec(S3RecConfig(d_model=8), n_items=5, max_history=4)
    >>> network(torch.tensor([[3, 1, 0]])).shape, network.item_embeddings.shape
    (torch.Size([1, 3, 8]), torch.Size([6, 8]))
    """

    def __init__(self, config: S3RecConfig, n_items: int, max_history: int) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 2, config.d_model, padding_idx=0)
        self.positions = nn.Embedding(max_history + 1, config.d_model)
        self.norm = nn.LayerNorm(config.d_model)
        self.encoder = Encoder(config)
        self.dropout = Dropout(config.dropout)
        self.apply(initialise)

    @property
    def item_embeddings(self) -> Tensor:
        """(N + 1, D), row 0 = padding; without the mask's row."""
        return self.items.weight[:-1]

    def forward(self, sequences: Tensor) -> Tensor:
        """States (B, T, D) of right-padded item ids (B, T), each from its own and earlier items."""
        return self._read(sequences, causal_bias(sequences.shape[1], sequences.device))

    def cloze_states(self, sequences: Tensor) -> Tensor:
        """States (B, T, D) of ids (B, T) with masks, each from the whole sequence."""
        return self._read(sequences, padding_bias(sequences))

    def _read(self, sequences: Tensor, bias: Tensor) -> Tensor:
        check_length(sequences, self.positions.num_embeddings)
        embedded = self.items(sequences) + self.positions(positions_from_end(sequences))
        return self.encoder(self.dropout(self.norm(embedded)), bias)


class S3RecObjectives(nn.Module):
    """What pre-training needs beside the network: attribute embeddings and a matrix per objective.

    Args:
        config: weights.
        features: feature ids (N + 1, F) of the items, see `data/item_features.py`.
    """

    def __init__(self, config: S3RecConfig, features: Tensor) -> None:
        super().__init__()
        self.config = config
        n_features = max(int(features.max()) + 1 - FIRST, 1)
        self.attributes = nn.Embedding(n_features, config.d_model)
        names = ("aap", "mip", "map", "sp")
        self.maps = nn.ModuleDict({name: nn.Linear(config.d_model, config.d_model) for name in names})
        self.register_buffer("features", features)
        self.apply(initialise)

    def attribute_losses(self, states: Tensor, items: Tensor, *, masked: bool) -> Tensor:
        """AAP of items that were read, or MAP of items that were masked: weighted losses (M,) of states (M, D)."""
        name, weight = ("map", self.config.map_weight) if masked else ("aap", self.config.aap_weight)
        return weight * attribute_prediction(
            self.maps[name](states), self.features[items] - FIRST, self.attributes.weight
        )

    def item_losses(self, states: Tensor, items: Tensor, negatives: Tensor) -> Tensor:
        """MIP: weighted losses (M,) of states (M, D) at masks, embeddings (M, D) of the items there and of others."""
        return self.config.mip_weight * contrast(self.maps["mip"](states), items, negatives)

    def segment_losses(self, context: Tensor, segment: Tensor, other: Tensor) -> Tensor:
        """SP: weighted losses (B,) of states (B, D) of what is left, of the segment taken out, and of another."""
        return self.config.sp_weight * contrast(self.maps["sp"](context), segment, other)
