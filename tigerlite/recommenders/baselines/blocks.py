"""What several networks are made of: BERT's encoder, positions, attention biases, windows of recent items, initialisation."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tigerlite.config import InputError, check
from tigerlite.recommenders.attention import attend
from tigerlite.recommenders.dropout import Dropout

LOWEST = -3e4
"""A score that no softmax sees and half precision holds."""


class Sizes(Protocol):
    """The fields that every Transformer's section has."""

    n_layers: int
    d_model: int
    n_heads: int
    d_ff: int
    dropout: float


def check_sizes(config: object, names: Sequence[str]) -> None:
    """Refuse sizes below 1, a dropout outside [0, 1) and a number of heads that does not divide the width."""
    values = vars(config)
    for name in names:
        check(values[name] >= 1, name, values[name], "an integer >= 1")
    check(0 <= values["dropout"] < 1, "dropout", values["dropout"], "a number in [0, 1)")
    if "n_heads" in names:
        width, n_heads = values["d_model"], values["n_heads"]
        check(width % n_heads == 0, "n_heads", n_heads, f"a divisor of d_model={width}")


def check_length(sequences: Tensor, longest: int) -> int:
    """T of sequences (B, T).

    Raises:
        InputError: if it is more than the network has positions for.
    """
    length = sequences.shape[1]
    if length > longest:
        raise InputError(f"sequences have {length} items but the network reads {longest}; cut them")
    return length


def positions_from_end(sequences: Tensor) -> Tensor:
    """(B, T) int64: how many items follow each item of right-padded rows (B, T); 0 for the last one and for padding.

    So the last item, or the mask after it, whose state asks for the next item, has the same position in every history and
    in every row of training, as left padding to a fixed length gives it. Counted from the start, a question from a history
    longer than those trained on comes from a position that never had a gradient: on office, where the held-out items are
    two of at most eleven, from 14 % of the users. All states of a training row share its positions: an earlier target is
    asked for from a position further back, as in the code that pads on the left.

    >>> positions_from_end(torch.tensor([[5, 6, 7], [8, 9, 0]])).tolist()
    [[2, 1, 0], [1, 0, 0]]
    """
    lengths = (sequences > 0).sum(dim=1, keepdim=True)
    return (lengths - 1 - torch.arange(sequences.shape[1], device=sequences.device)).clamp(min=0)


def initialise(module: nn.Module) -> None:
    """Weights from N(0, .02^2), biases and padding rows zero; scores begin near zero."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        nn.init.zeros_(module.weight[module.padding_idx])


def causal_bias(length: int, device: torch.device) -> Tensor:
    """(1, 1, T, T): -inf where a key comes after its query."""
    return torch.full((1, 1, length, length), -torch.inf, device=device).triu(1)


def padding_bias(sequences: Tensor) -> Tensor:
    """(B, 1, 1, T): a very low number at padding; not -inf, which makes NaN of a row of nothing else."""
    return torch.zeros(sequences.shape, device=sequences.device).masked_fill(sequences == 0, LOWEST)[:, None, None]


def windows(embedded: Tensor, size: int) -> Tensor:
    """For every position its own and the size - 1 vectors before it, oldest first, zeros before the first one.

    Args:
        embedded: (B, T, D).

    Returns:
        (B, T, size, D).

    >>> windows(torch.tensor([[[1.0], [2.0]]]), 3).squeeze(-1).tolist()
    [[[0.0, 0.0, 1.0], [0.0, 1.0, 2.0]]]
    """
    # unfold puts the window last: (B, T, D, size) -> (B, T, size, D)
    return F.pad(embedded, (0, 0, size - 1, 0)).unfold(1, size, 1).transpose(2, 3)


class Encoder(nn.Module):
    """BERT's stack (arXiv 1810.04805): every sublayer's output is added to its input, then normalised.

    a = LN(h + dropout(W_o attention(h)))        h' = LN(a + dropout(W_2 gelu(W_1 a)))
    """

    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.n_layers))

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """New hidden states (B, T, D); `bias` on attention scores broadcasts to (B, H, T, T)."""
        for layer in self.layers:
            hidden = layer(hidden, bias)
        return hidden


class EncoderLayer(nn.Module):
    """Attention and feed-forward of `Encoder`."""

    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.projection = nn.Linear(config.d_model, 3 * config.d_model)
        self.output = nn.Linear(config.d_model, config.d_model)
        self.attention_norm = nn.LayerNorm(config.d_model)
        self.feed_forward = FeedForward(config.d_model, config.d_ff, config.dropout)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """New hidden states (B, T, D)."""
        n_rows, length, width = hidden.shape
        # (B, T, 3*D) -> (3, B, H, T, d)
        split = self.projection(hidden).view(n_rows, length, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        queries, keys, values = split.contiguous().unbind(0)
        scale = queries.shape[3] ** -0.5
        mixed = attend(queries * scale, keys, values, bias, self.dropout)
        mixed = mixed.transpose(1, 2).reshape(n_rows, length, width)
        return self.feed_forward(self.attention_norm(self.dropout.add(hidden, self.output(mixed))))


class FeedForward(nn.Module):
    """LN(h + dropout(W_2 gelu(W_1 h + b_1) + b_2))."""

    def __init__(self, d_model: int, d_ff: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(d_model, d_ff)
        self.outer = nn.Linear(d_ff, d_model)
        self.norm = nn.LayerNorm(d_model)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """New hidden states (B, T, D)."""
        return self.norm(self.dropout.add(hidden, self.outer(F.gelu(self.inner(hidden)))))
