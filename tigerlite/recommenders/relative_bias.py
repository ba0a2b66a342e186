"""T5's learned bias on attention scores by the distance between query and key (arXiv 1910.10683, section 2.1)."""

import math

import torch
from torch import Tensor, nn


def relative_buckets(distances: Tensor, *, n_buckets: int, max_distance: int, bidirectional: bool) -> Tensor:
    """Bucket 0..n_buckets-1 of every distance: one bucket each for near positions, logarithmic ones beyond.

    Args:
        distances: position of the key minus position of the query, any shape, int64.
        n_buckets: buckets in all; half of them for keys after the query where `bidirectional`.
        max_distance: distance (tokens) from which on everything shares the last bucket.
        bidirectional: False maps every key after the query to bucket 0 (a causal mask hides them anyway).

    >>> relative_buckets(torch.tensor([-200, -1, 0, 1]), n_buckets=32, max_distance=128, bidirectional=True).tolist()
    [15, 1, 0, 17]
    """
    if bidirectional:
        n_buckets //= 2
        side = (distances > 0) * n_buckets
        distances = distances.abs()
    else:
        side = torch.zeros_like(distances)
        distances = -distances.clamp(max=0)
    n_exact = n_buckets // 2
    ratio = torch.log(distances.clamp(min=1).float() / n_exact) / math.log(max_distance / n_exact)
    far = n_exact + (ratio * (n_buckets - n_exact)).long()
    return side + torch.where(distances < n_exact, distances, far.clamp(max=n_buckets - 1))


class RelativeBias(nn.Module):
    """One bias table, shared by all layers of a stack.

    Args:
        n_heads: H.
        n_buckets: rows of the table.
        max_distance: tokens, see `relative_buckets`.
        bidirectional: True for an encoder, False for a decoder.
    """

    def __init__(self, n_heads: int, n_buckets: int, max_distance: int, bidirectional: bool) -> None:
        super().__init__()
        self.n_buckets = n_buckets
        self.max_distance = max_distance
        self.bidirectional = bidirectional
        self.table = nn.Embedding(n_buckets, n_heads)

    def forward(self, n_queries: int, n_keys: int, first_query: int = 0) -> Tensor:
        """Bias (1, H, n_queries, n_keys) for queries at first_query, first_query + 1, ... and keys at 0, 1, ..."""
        device = self.table.weight.device
        queries = torch.arange(first_query, first_query + n_queries, device=device)
        distances = torch.arange(n_keys, device=device) - queries[:, None]
        buckets = relative_buckets(
            distances,
            n_buckets=self.n_buckets,
            max_distance=self.max_distance,
            bidirectional=self.bidirectional,
        )
        return self.table(buckets).permute(2, 0, 1).unsqueeze(0)
