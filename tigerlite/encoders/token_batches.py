"""Texts of similar length side by side: batches with little padding and a bounded number of tokens.

Padding a batch to its longest text costs time and changes no result. The order within a batch list is longest first (a
batch that does not fit in memory fails at the start, not after an hour), ties in the order of the input.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class TokenBatch(NamedTuple):
    """A few texts, padded on the right."""

    rows: Tensor
    """(B,) int64: where each text stands in its list."""
    tokens: Tensor
    """(B, T) int64."""
    mask: Tensor
    """(B, T) int64: 1 on tokens, 0 on padding."""


def rows_by_length(lengths: Sequence[int], batch_tokens: int) -> list[np.ndarray]:
    """Rows of each batch: longest first, at most `batch_tokens` tokens with padding, but at least one text.

    >>> [rows.tolist() for rows in rows_by_length([1, 4, 2, 2], batch_tokens=4)]
    [[1], [2, 3], [0]]
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    batches = []
    start = 0
    while start < len(order):
        size = max(1, batch_tokens // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + size])
        start += size
    return batches


def pad_rows(token_lists: Sequence[Sequence[int] | np.ndarray], rows: np.ndarray, pad_id: int) -> TokenBatch:
    """The texts of `rows` as one batch, T is the longest of them."""
    width = max(len(token_lists[row]) for row in rows)
    tokens = np.full((len(rows), width), pad_id, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for place, row in enumerate(rows):
        tokens[place, : len(token_lists[row])] = token_lists[row]
        mask[place, : len(token_lists[row])] = 1
    return TokenBatch(torch.from_numpy(rows.astype(np.int64)), torch.from_numpy(tokens), torch.from_numpy(mask))
