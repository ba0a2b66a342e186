"""FDSA: one Transformer over items, one over what the items are, joined (IJCAI 2019, doi 10.24963/ijcai.2019/600).

    f_t = sum_k alpha_k A[a_k],  alpha = softmax over the features a_k of item x_t of <w, A[a_k]> + b     vanilla attention
    o = Encoder_items(E[x] + P),  q = Encoder_features(f + P_f)                                         both causal
    s_t = W [o_t; q_t] + b,  score of item i after x_1..x_t = <s_t, E[i]>

Features are the item's attributes, or the words of its text (`data/item_features.py`); an item without any has the
feature "none". The paper has a vector each of category, brand and text (word vectors of keywords found by a topic model)
and trains binary cross-entropy (`loss=bce`); here every category, brand or word is a feature of its own. Its authors
published no code that we know of; the blocks here, LN after every sublayer and gelu, are RecBole's.

RecBole's FDSA (github.com/RUCAIBox/RecBole/blob/7b02be5/recbole/model/sequential_recommender/fdsa.py), with which papers
compare, differs: it averages the values of a field and attends to fields, which it scores by two layers with a relu;
the two Transformers share positions, which count from the first item (here from the last, `positions_from_end`), and LN,
and the same LN and dropout follow W.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tigerlite.recommenders.baselines.blocks import (
    LOWEST,
    Encoder,
    causal_bias,
    check_length,
    check_sizes,
    initialise,
    positions_from_end,
)
from tigerlite.recommenders.dropout import Dropout


@dataclass(frozen=True, kw_only=True)
class FDSAConfig:
    """Sizes of FDSA, of each of its two Transformers; defaults RecBole's where nothing else is said."""

    n_layers: int = 2
    """Blocks of each."""
    d_model: int = 64
    """D, width of states and embeddings."""
    n_heads: int = 2
    """Attention heads; divides d_model."""
    d_ff: int = 256
    """Inner width of the feed-forward layers."""
    dropout: float = 0.5
    """On embeddings, attention weights and sublayers."""

    def __post_init__(self) -> None:
        check_sizes(self, ("n_layers", "d_model", "n_heads", "d_ff"))


class FDSA(nn.Module):
    """Two causal Transformers, over item ids and over the items' features.

    Args:
        config: sizes.
        n_items: N.
        max_history: T, the longest sequence.
        features: feature ids (N + 1, F) int64 of every item, right-padded with 0, at least one per item.

    >>> features = torch.tensor([[0, 0], [1, 0], [2, 3]])
    >>> network = FDSA(FDSAConfig(d_model=8), n_items=2, max_history=4, features=features)
    >>> network(torch.tensor([[2, 1, 0]])).shape, network.item_embeddings.shape
    (torch.Size([1, 3, 8]), torch.Size([3, 8]))
    """

    def __init__(self, config: FDSAConfig, n_items: int, max_history: int, features: Tensor) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, config.d_model, padding_idx=0)
        self.item_positions = nn.Embedding(max_history, config.d_model)
        self.item_encoder = Encoder(config)
        self.pool = FeaturePool(config.d_model, features)
        self.feature_positions = nn.Embedding(max_history, config.d_model)
        self.feature_encoder = Encoder(config)
        self.norms = nn.ModuleList(nn.LayerNorm(config.d_model) for _ in range(2))
        self.output = nn.Linear(2 * config.d_model, config.d_model)
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
        length = check_length(sequences, self.item_positions.num_embeddings)
        bias = causal_bias(length, sequences.device)
        positions = positions_from_end(sequences)
        inputs = (
            self.items(sequences) + self.item_positions(positions),
            self.pool(sequences) + self.feature_positions(positions),
        )
        embedded = [self.dropout(norm(vectors)) for norm, vectors in zip(self.norms, inputs, strict=True)]
        states = [self.item_encoder(embedded[0], bias), self.feature_encoder(embedded[1], bias)]
        return self.output(torch.cat(states, dim=2))


class FeaturePool(nn.Module):
    """One vector per item: its features' embeddings, weighted by an attention that looks at each of them alone."""

    def __init__(self, d_model: int, features: Tensor) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(int(features.max()) + 1, d_model, padding_idx=0)
        self.attention = nn.Linear(d_model, 1)
        self.register_buffer("features", features)

    def forward(self, sequences: Tensor) -> Tensor:
        """(B, T, D) of item ids (B, T); zero for padding."""
        features = self.features[sequences]  # (B, T, F)
        embedded = self.embeddings(features)
        # Not -inf: padding items have no feature at all.
        scores = self.attention(embedded).squeeze(3).float().masked_fill(features == 0, LOWEST)
        return (torch.softmax(scores, dim=2).to(embedded.dtype)[..., None] * embedded).sum(dim=2)
