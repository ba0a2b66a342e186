"""HSTU: attention without a softmax, whose answers are gated (arXiv 2402.17152).

    U, V, Q, K = split(silu(W_1 LN(h)))                                                pointwise projection
    A V = silu(Q K^T + b_position + b_time) V / n                                       spatial aggregation, causal
    h' = h + W_2 dropout(LN(A V) * U) + b_2                                            pointwise transformation
    s_t = LN(h_t),  score of item i after x_1..x_t = <s_t, E[i]>

n is max_history. b_position is a number per distance t - j and layer, b_time one per layer and bucket of the time between
items t and j, with the authors' buckets floor(ln(max(1, seconds)) / .301), at most 128. Time is off by default: a model
trained with it wants to be asked with times. With `time_bias=true` and data or questions without times, the position bias
is all there is: nothing is refused, training logs what it reads. Times that fall within a history are refused.

The authors' code (github.com/meta-recsys/generative-recommenders/blob/db1bf8f/generative_recommenders/research) differs:
query t uses the time of item t + 1, the one to be predicted (in a test that of the held-out item), which a recommender
does not know when it is asked; without times it has no position bias either. States and items have unit length and a
softmax over 128 sampled negatives (512 for Amazon books) has temperature .05, where here states are normalised by LN and
the softmax is full; its LNs have no weights; its position embeddings start at N(0, 1/D), here as all others at N(0, .02^2).
The factor sqrt(D) on item embeddings, the learned absolute positions at the input, counted from the first item, the
division by n (there plus the places of items to come; not by the items that are there), the eps of the LNs and the start
of W_2 are taken from the code.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tigerlite.recommenders.baselines.blocks import check_length, check_sizes, initialise
from tigerlite.recommenders.dropout import Dropout

N_TIME_BUCKETS = 128
SECONDS_PER_BUCKET_LOG = 0.301
"""The authors' constant; it was meant to be log10(2), but divides natural logarithms."""
NORM_EPS = 1e-6
"""The authors'. A V is small at first, and after LN with torch's 1e-5 it would begin at a third of the scale."""


@dataclass(frozen=True, kw_only=True)
class HSTUConfig:
    """Sizes of HSTU; defaults those of the authors' configuration for MovieLens-1M where nothing else is said."""

    n_layers: int = 2
    """Blocks."""
    d_model: int = 64
    """D, width of states and item embeddings (50; 64 for Amazon books)."""
    n_heads: int = 1
    """Attention heads; divides d_model, which also is the width of queries, keys and values together."""
    dropout: float = 0.2
    """On embeddings and gated answers (.5 for Amazon books)."""
    time_bias: bool = False
    """Whether attention also knows the time between two interactions, where the data have times."""

    def __post_init__(self) -> None:
        check_sizes(self, ("n_layers", "d_model", "n_heads"))


class HSTU(nn.Module):
    """Pointwise attention over item ids.

    Args:
        config: sizes.
        n_items: N.
        max_history: T, the longest sequence.

    >>> network = HSTU(HSTUConfig(d_model=8), n_items=5, max_history=4)
    >>> network(torch.tensor([[3, 1, 0]])).shape, network.item_embeddings.shape
    (torch.Size([1, 3, 8]), torch.Size([6, 8]))
    """

    def __init__(self, config: HSTUConfig, n_items: int, max_history: int) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, config.d_model, padding_idx=0)
        self.positions = nn.Embedding(max_history, config.d_model)
        self.layers = nn.ModuleList(HSTULayer(config, max_history) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(config.d_model)
        self.dropout = Dropout(config.dropout)
        self.scale = math.sqrt(config.d_model)
        self.apply(initialise)
        for layer in self.layers:
            nn.init.xavier_uniform_(layer.output.weight)

    @property
    def item_embeddings(self) -> Tensor:
        """(N + 1, D), row 0 = padding."""
        return self.items.weight

    def forward(self, sequences: Tensor, times: Tensor | None = None) -> Tensor:
        """States (B, T, D) of right-padded item ids (B, T); those at padding mean nothing.

        Args:
            times: seconds of the interactions, (B, T) int64; None = unknown.

        Raises:
            InputError: if T is more than max_history.
        """
        length = check_length(sequences, self.positions.num_embeddings)
        hidden = self.dropout(self.items(sequences) * self.scale + self.positions.weight[:length])
        # Later items are hidden and none lies between; at padding the difference may be anything.
        buckets = None if times is None else time_buckets(times[:, :, None] - times[:, None, :])
        for layer in self.layers:
            hidden = layer(hidden, buckets)
        return self.norm(hidden)


class HSTULayer(nn.Module):
    """One block."""

    def __init__(self, config: HSTUConfig, max_history: int) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.max_history = max_history
        self.input_norm = nn.LayerNorm(config.d_model, eps=NORM_EPS)
        self.projection = nn.Linear(config.d_model, 4 * config.d_model, bias=False)
        self.distances = nn.Embedding(max_history, 1)
        self.times = nn.Embedding(N_TIME_BUCKETS + 1, 1) if config.time_bias else None
        self.attention_norm = nn.LayerNorm(config.d_model, eps=NORM_EPS)
        self.output = nn.Linear(config.d_model, config.d_model)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden: Tensor, buckets: Tensor | None) -> Tensor:
        """New hidden states (B, T, D); `buckets` (B, T, T) of the times between query and key."""
        n_rows, length, width = hidden.shape
        # (B, T, 4*D) -> (4, B, H, T, d)
        split = F.silu(self.projection(self.input_norm(hidden))).view(n_rows, length, 4, self.n_heads, -1)
        gates, values, queries, keys = split.permute(2, 0, 3, 1, 4).unbind(0)
        scores = queries @ keys.transpose(-1, -2) + self._bias(length, buckets)
        weights = (F.silu(scores) / self.max_history).tril()
        mixed, gates = ((part.transpose(1, 2).reshape(n_rows, length, width)) for part in (weights @ values, gates))
        return hidden + self.output(self.dropout(self.attention_norm(mixed) * gates))

    def _bias(self, length: int, buckets: Tensor | None) -> Tensor:
        """Of positions (T, T), or of positions and times (B, 1, T, T)."""
        steps = torch.arange(length, device=self.distances.weight.device)
        bias = self.distances((steps[:, None] - steps).clamp(min=0)).squeeze(2)
        if self.times is None:
            return bias
        # Without times the table is still part of the graph: ddp waits for the gradient of every parameter.
        return bias + (0 * self.times.weight.sum() if buckets is None else self.times(buckets).squeeze(3)[:, None])


def time_buckets(seconds: Tensor) -> Tensor:
    """Bucket 0..128 of differences of times (int64, any shape).

    >>> time_buckets(torch.tensor([0, 1, 60, 86400])).tolist()
    [0, 0, 13, 37]
    """
    logarithms = seconds.abs().clamp(min=1).double().log()
    return (logarithms / SECONDS_PER_BUCKET_LOG).long().clamp(max=N_TIME_BUCKETS)
