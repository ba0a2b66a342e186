"""SASRec: a Transformer that reads item ids from left to right (arXiv 1808.09781).

    h_t^0 = dropout(sqrt(D) E[x_t] + P[t])
    a = h + dropout(W_o SA(LN(h)) + b_o)              SA: scaled dot-product attention of t to positions <= t
    h' = a + dropout(W_2 dropout(relu(W_1 LN(a) + b_1)) + b_2)
    s_t = LN(h_t),  score of item i after x_1..x_t = <s_t, E[i]>

The authors' code (github.com/kang205/SASRec/blob/e373896/model.py) differs: only the queries are normalised, keys and
values are not, and both residuals add the *normalised* input; its attention has no output projection (ours matters with
several heads only) and no dropout but on its weights; W_1 keeps the width D. The factor sqrt(D) is in the code, not in
the paper. It pads on the left, so that position T is always the most recent item; here sequences are padded on the right
and position 0 is the first item of the window: a state does not depend on how far its batch is padded, and a short history
uses the first positions only.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tigerlite.config import InputError, check
from tigerlite.recommenders.dropout import Dropout


@dataclass(frozen=True, kw_only=True)
class SASRecConfig:
    """Sizes of SASRec."""

    n_layers: int = 2
    """Blocks (2 in the paper)."""
    d_model: int = 64
    """D, width of states and item embeddings (50 in the authors' code)."""
    n_heads: int = 1
    """Attention heads (1 in the paper); divides d_model."""
    d_ff: int = 256
    """Inner width of the feed-forward layers (d_model in the authors' code, 256 in RecBole)."""
    dropout: float = 0.3
    """On embeddings, attention weights and the outputs of both layers of a block (.5 in the authors' code, .2 for MovieLens)."""

    def __post_init__(self) -> None:
        for name in ("n_layers", "d_model", "n_heads", "d_ff"):
            value = vars(self)[name]
            check(value >= 1, name, value, "an integer >= 1")
        check(0 <= self.dropout < 1, "dropout", self.dropout, "a number in [0, 1)")
        check(self.d_model % self.n_heads == 0, "n_heads", self.n_heads, f"a divisor of d_model={self.d_model}")


class SASRec(nn.Module):
    """Causal Transformer over item ids.

    Args:
        config: sizes.
        n_items: N.
        max_history: T, the longest sequence.

    >>> network = SASRec(SASRecConfig(d_model=8), n_items=5, max_history=4)
    >>> network(torch.tensor([[3, 1, 0]])).shape, network.item_embeddings.shape
    (torch.Size([1, 3, 8]), torch.Size([6, 8]))
    """

    def __init__(self, config: SASRecConfig, n_items: int, max_history: int) -> None:
        super().__init__()
        self.max_history = max_history
        self.items = nn.Embedding(n_items + 1, config.d_model, padding_idx=0)
        self.positions = nn.Embedding(max_history, config.d_model)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(config.d_model)
        self.dropout = Dropout(config.dropout)
        self.scale = math.sqrt(config.d_model)
        self.apply(_initialise)

    @property
    def item_embeddings(self) -> Tensor:
        """(N + 1, D), row 0 = padding."""
        return self.items.weight

    def forward(self, sequences: Tensor) -> Tensor:
        """States (B, T, D) of right-padded item ids (B, T); those at padding mean nothing.

        Raises:
            InputError: if T is more than max_history.
        """
        length = sequences.shape[1]
        if length > self.max_history:
            raise InputError(f"sequences have {length} items but the network reads {self.max_history}; cut them")
        # Padding lies after every item, where the causal mask hides it.
        hidden = self.dropout(self.items(sequences) * self.scale + self.positions.weight[:length])
        for block in self.blocks:
            hidden = block(hidden)
        return self.norm(hidden)


class Block(nn.Module):
    """Causal self-attention and a feed-forward layer, each normalised before and added to what it read."""

    def __init__(self, config: SASRecConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.attention_norm = nn.LayerNorm(config.d_model)
        self.projection = nn.Linear(config.d_model, 3 * config.d_model)
        self.output = nn.Linear(config.d_model, config.d_model)
        self.feed_forward_norm = nn.LayerNorm(config.d_model)
        self.inner = nn.Linear(config.d_model, config.d_ff)
        self.outer = nn.Linear(config.d_ff, config.d_model)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """New hidden states (B, T, D)."""
        hidden = self.dropout.add(hidden, self.output(self._attend(self.attention_norm(hidden))))
        inner = self.dropout(F.relu(self.inner(self.feed_forward_norm(hidden))))
        return self.dropout.add(hidden, self.outer(inner))

    def _attend(self, hidden: Tensor) -> Tensor:
        n_rows, length, width = hidden.shape
        # (B, T, 3*D) -> (3, B, H, T, d)
        split = self.projection(hidden).view(n_rows, length, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        rate = self.dropout.rate if self.training else 0.0
        if rate and hidden.device.type == "cpu":
            mixed = self._attend_with_dropout(*split.contiguous().unbind(0))
        else:
            mixed = F.scaled_dot_product_attention(*split.unbind(0), dropout_p=rate, is_causal=True)
        return mixed.transpose(1, 2).reshape(n_rows, length, width)

    def _attend_with_dropout(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """The same written out: SDPA has no fused CPU kernel with dropout, and takes 5 times as long at T = 50."""
        length = queries.shape[2]
        future = torch.full((length, length), -torch.inf, device=queries.device).triu(1)
        scores = queries * queries.shape[3] ** -0.5 @ keys.transpose(-1, -2)
        return self.dropout(torch.softmax(scores + future, dim=-1).to(values.dtype)) @ values


def _initialise(module: nn.Module) -> None:
    """Weights from N(0, .02^2), biases zero: scores begin near zero, since a normalised state has length sqrt(D)."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        nn.init.zeros_(module.weight[module.padding_idx])
