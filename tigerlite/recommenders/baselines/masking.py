"""Masks of items as a pure function of (seed, epoch, sequence).

Every number comes from a hash of the seed, the epoch and the sequence itself instead of a stream of random numbers. So
masks do not depend on the batch, on the number of processes or on where a run was interrupted; two users with the same
sequence get the same masks in an epoch, and other ones in the next.
"""

import torch
from torch import Tensor


def hashed_uniform(sequences: Tensor, seed: int, epoch: int, stream: int = 0) -> Tensor:
    """(B, T) float64 in [0, 1), independent for every position, of right-padded item ids (B, T).

    Args:
        stream: another number gives other values for the same sequences.
    """
    places = torch.arange(sequences.shape[1], device=sequences.device)
    # Padding adds nothing, so that a row does not depend on how far its batch is padded.
    rows = (_mixed(sequences * 1_000_003 + places) * (sequences > 0)).sum(dim=1, keepdim=True)  # (B, 1), wraps
    start = _mixed(torch.tensor([[seed]], device=sequences.device)) + epoch * 2_654_435_761 + stream * 40_503
    bits = _mixed(_mixed(rows + _mixed(start)) + places)
    return _shifted(bits, 11).double() / 2**53


def cloze_mask(sequences: Tensor, *, share: float, last_share: float, seed: int, epoch: int) -> Tensor:
    """(B, T) bool: which items of right-padded sequences (B, T) are hidden.

    max(1, round(share * n)) of the n items of a row, at random; in a share `last_share` of the rows the last item alone,
    which is what the network is asked for in use.
    """
    lengths = (sequences > 0).sum(dim=1, keepdim=True)
    wanted = (share * lengths).round().clamp(min=1)
    drawn = hashed_uniform(sequences, seed, epoch).masked_fill(sequences == 0, 2)
    order = drawn.argsort(dim=1).argsort(dim=1)  # rank of each position's number in its row
    last_only = hashed_uniform(sequences, seed, epoch, stream=1)[:, :1] < last_share
    return torch.where(last_only, last_place(sequences), order < wanted) & (sequences > 0)


def last_place(sequences: Tensor) -> Tensor:
    """(B, T) bool: the last item of each right-padded row.

    >>> last_place(torch.tensor([[5, 6, 0], [7, 0, 0]])).int().tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    lengths = (sequences > 0).sum(dim=1, keepdim=True)
    return torch.arange(sequences.shape[1], device=sequences.device) == lengths - 1


def segments(sequences: Tensor, *, seed: int, epoch: int) -> Tensor:
    """(B, T) bool: a run of 1..n/2 items of each row (n items, at least 2 for a choice), everywhere equally likely."""
    lengths = (sequences > 0).sum(dim=1, keepdim=True)
    drawn = hashed_uniform(sequences, seed, epoch, stream=2)
    n_masked = 1 + (drawn[:, :1] * (lengths // 2).clamp(min=1)).long()
    start = (hashed_uniform(sequences, seed, epoch, stream=3)[:, :1] * (lengths - n_masked + 1)).long()
    places = torch.arange(sequences.shape[1], device=sequences.device)
    return (places >= start) & (places < start + n_masked) & (sequences > 0)


def with_mask_after(sequences: Tensor, mask_id: int) -> Tensor:
    """(B, T + 1): the sequences with one masked item after the last.

    >>> with_mask_after(torch.tensor([[5, 6], [7, 0]]), 9).tolist()
    [[5, 6, 9], [7, 9, 0]]
    """
    longer = torch.nn.functional.pad(sequences, (0, 1))
    return longer.scatter(1, (sequences > 0).sum(dim=1, keepdim=True), mask_id)


def _mixed(values: Tensor) -> Tensor:
    """SplitMix64's finaliser on int64, whose products wrap: neighbouring inputs give unrelated outputs."""
    values = (values ^ _shifted(values, 30)) * -0x40A7B892E31B1A47  # 0xBF58476D1CE4E5B9 as a signed number
    values = (values ^ _shifted(values, 27)) * -0x6B2FB644ECCEEE15  # 0x94D049BB133111EB
    return values ^ _shifted(values, 31)


def _shifted(values: Tensor, n_bits: int) -> Tensor:
    """Right shift that brings in zeros; torch's own repeats the sign."""
    return (values >> n_bits) & ((1 << (64 - n_bits)) - 1)
