"""T5's multi-head attention (arXiv 1910.10683): no 1/sqrt(d) scaling, no linear biases, scores shifted by a given bias.

Queries, keys and values of self-attention come from one fused projection. Cross-attention projects keys and
values apart from its queries, because beams share them: they are computed once per user and beams lie along the query
axis.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tigerlite.recommenders.dropout import Dropout


def attend(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor, dropout: Dropout) -> Tensor:
    """Weighted values (B, H, Q, d); dropout falls on the attention weights.

    Args:
        queries: (B, H, Q, d); `keys` and `values`: (B, H, S, d).
        bias: added to the scores; broadcasts to (B, H, Q, S).
    """
    if queries.device.type == "cpu" and torch.is_grad_enabled():
        # SDPA has no fused CPU kernel for a bias that needs a gradient; written out it is 1.2x faster, 1.8x with
        # dropout.
        weights = torch.softmax(torch.matmul(queries, keys.transpose(-1, -2)) + bias, dim=-1)
        return torch.matmul(dropout(weights.to(values.dtype)), values)
    rate = dropout.rate if dropout.training else 0.0
    return F.scaled_dot_product_attention(queries, keys, values, bias.to(queries.dtype), dropout_p=rate, scale=1.0)


def split_heads(projected: Tensor, n_parts: int, n_heads: int) -> tuple[Tensor, ...]:
    """Parts (B, H, S, d) of a fused projection (B, S, n_parts*H*d), each laid out for batched products."""
    return _SplitHeads.apply(projected.unflatten(-1, (n_parts, n_heads, -1)))


class _SplitHeads(torch.autograd.Function):
    """(B, S, P, H, d) -> P tensors (B, H, S, d) by one copy; the gradient takes one as well, where autograd takes two."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor) -> tuple[Tensor, ...]:
        ctx.shape = projected.shape
        return projected.permute(2, 0, 3, 1, 4).contiguous().unbind(0)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        whole = gradients[0].new_empty(ctx.shape)
        for part, gradient in zip(whole.unbind(2), gradients, strict=True):
            part.copy_(gradient.transpose(1, 2))
        return whole


class SelfAttention(nn.Module):
    """Attention of a sequence to itself; what may be seen is decided by the bias.

    Args:
        d_model: D.
        n_heads: H.
        d_kv: width of one head; H * d_kv need not be D.
        dropout: rate on the attention weights.
    """

    def __init__(self, d_model: int, n_heads: int, d_kv: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.d_kv = d_kv
        self.projection = nn.Linear(d_model, 3 * n_heads * d_kv, bias=False)
        self.output = nn.Linear(n_heads * d_kv, d_model, bias=False)
        self.dropout = Dropout(dropout)
        inner = n_heads * d_kv
        nn.init.normal_(self.projection.weight[:inner], std=(d_model * d_kv) ** -0.5)
        nn.init.normal_(self.projection.weight[inner:], std=d_model**-0.5)
        nn.init.normal_(self.output.weight, std=inner**-0.5)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """New hidden states (B, S, D) from `hidden` (B, S, D) and a bias that broadcasts to (B, H, S, S)."""
        n_rows, length, _ = hidden.shape
        queries, keys, values = split_heads(self.projection(hidden), 3, self.n_heads)
        mixed = attend(queries, keys, values, bias, self.dropout)
        return self.output(mixed.transpose(1, 2).reshape(n_rows, length, -1))

    def step(self, hidden: Tensor, cache: Tensor | None, rows: Tensor | None, bias: Tensor) -> tuple[Tensor, Tensor]:
        """New hidden states (R, D) of one more token in each of R rows, and the cache (t + 1, R, 2*H*d) with it.

        Without gradients only.

        Args:
            hidden: (R, D), the token at position t of every row.
            cache: keys and values of positions 0..t-1, (t, rows before, 2*H*d); None at t = 0.
            rows: (R,), the row of `cache` that each row continues; None at t = 0.
            bias: (1, H, 1, t + 1).
        """
        inner = self.n_heads * self.d_kv
        queries, memory = self.projection(hidden).split((inner, 2 * inner), dim=-1)
        n_seen = 0 if cache is None else cache.shape[0]
        # Positions first: each gather writes one contiguous block in place, half the traffic of gather and concatenate.
        grown = memory.new_empty(n_seen + 1, *memory.shape)
        for position in range(n_seen):
            torch.index_select(cache[position], 0, rows, out=grown[position])
        grown[n_seen] = memory
        # (t+1, R, 2, H, d) -> keys and values, each (R, H, t+1, d)
        keys, values = grown.view(n_seen + 1, -1, 2, self.n_heads, self.d_kv).permute(2, 1, 3, 0, 4).unbind(0)
        mixed = attend(queries.view(-1, self.n_heads, 1, self.d_kv), keys, values, bias, self.dropout)
        return self.output(mixed.flatten(1)), grown


class CrossAttention(nn.Module):
    """Attention of decoder tokens (or beams) to an encoded history; arguments as in `SelfAttention`."""

    def __init__(self, d_model: int, n_heads: int, d_kv: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.d_kv = d_kv
        inner = n_heads * d_kv
        self.query = nn.Linear(d_model, inner, bias=False)
        self.memory_projection = nn.Linear(d_model, 2 * inner, bias=False)
        self.output = nn.Linear(inner, d_model, bias=False)
        self.dropout = Dropout(dropout)
        nn.init.normal_(self.query.weight, std=(d_model * d_kv) ** -0.5)
        nn.init.normal_(self.memory_projection.weight, std=d_model**-0.5)
        nn.init.normal_(self.output.weight, std=inner**-0.5)

    def memory(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, each (B, H, S, d), of `encoded` (B, S, D)."""
        return split_heads(self.memory_projection(encoded), 2, self.n_heads)

    def forward(self, hidden: Tensor, memory: tuple[Tensor, Tensor], bias: Tensor) -> Tensor:
        """New hidden states (B, Q, D) of queries `hidden` (B, Q, D); Q are tokens or beams."""
        n_rows, n_queries, _ = hidden.shape
        queries = self.query(hidden).view(n_rows, n_queries, self.n_heads, self.d_kv).transpose(1, 2)
        mixed = attend(queries, *memory, bias, self.dropout)
        return self.output(mixed.transpose(1, 2).reshape(n_rows, n_queries, -1))
