"""Which item each encoder token belongs to, and so what a token may see and what the target at each position reads."""

from typing import NamedTuple

import torch
from torch import Tensor


class Prefixes(NamedTuple):
    """The targets of whole sequences, and what each of them reads."""

    targets: Tensor
    """(B, P) items."""
    seen: Tensor
    """(P, S) bool, the encoder tokens before each target."""
    wanted: Tensor
    """(B, P) bool, which of them are targets of the batch."""


def item_of_token(n_items: int, tokens_per_item: int, *, user_token: bool, device: torch.device) -> Tensor:
    """Which item of the history each encoder token belongs to, -1 for the user token, shape (S,).

    >>> item_of_token(2, 3, user_token=True, device=torch.device("cpu"))
    tensor([-1,  0,  0,  0,  1,  1,  1])
    """
    items = torch.arange(n_items, device=device).repeat_interleave(tokens_per_item)
    return torch.cat([items.new_full((int(user_token),), -1), items])


def causal_mask(item_of: Tensor) -> Tensor:
    """(S, S) bool, the keys each token may see: those of its own item and of earlier ones.

    >>> causal_mask(torch.tensor([-1, 0, 0])).int()
    tensor([[1, 0, 0],
            [1, 1, 1],
            [1, 1, 1]], dtype=torch.int32)
    """
    return item_of[None, :] <= item_of[:, None]


def prefixes(sequences: Tensor, first: Tensor, item_of: Tensor) -> Prefixes:
    """The targets of sequences and what each reads.

    Args:
        sequences: (B, T + 1) item ids, right-padded with 0; the encoder reads the first T.
        first: (B,) position of the first target in each row.
        item_of: (S,) `item_of_token` of T items.
    """
    begin = int(first.min())
    targets = sequences[:, begin:]
    positions = torch.arange(begin, sequences.shape[1], device=sequences.device)
    wanted = (targets > 0) & (positions >= first[:, None])
    return Prefixes(targets, item_of[None] < positions[:, None], wanted)
