"""From positions in the array of all interactions to batches of histories and targets, without loops over samples.

A sample is a row (user, absolute position of the target). Training samples are every prefix of a user's training part
x_1..x_n with targets x_2..x_n (MTGRec, arXiv 2504.04400, and TIGER's code; 2601.17787 likewise); the history is cut to
the most recent items when a batch is gathered, so targets deep in long sequences are used.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tigerlite.config import InputError
from tigerlite.data.dataset import RecDataset


class Batch(NamedTuple):
    """Item ids only: tokens are looked up on the device."""

    histories: Tensor
    """(B, T) int64, oldest first, right-padded with 0."""
    targets: Tensor
    """(B,) int64."""
    users: Tensor
    """(B,) int64."""
    times: Tensor | None = None
    """(B, T) int64, seconds of the histories' interactions, 0 at padding; None where nobody asked or the data have none."""


def training_positions(dataset: RecDataset) -> np.ndarray:
    """(S, 2) int64 rows (user, position of the target) of every training sample, user by user, in time order."""
    starts, ends = dataset.offsets[:-1], dataset.train_ends
    counts = np.maximum(ends - starts - 1, 0)
    users = np.repeat(np.arange(len(counts)), counts)
    # Within each user 0, 1, 2, ...: a running number minus the number at which the user began.
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([users, starts[users] + 1 + within], axis=1).astype(np.int64)


def training_items(dataset: RecDataset) -> np.ndarray:
    """Items of every interaction in a training part, user by user, in time order."""
    lengths = np.diff(dataset.offsets)
    return dataset.items[np.arange(len(dataset.items)) < np.repeat(dataset.train_ends, lengths)]


def item_counts(dataset: RecDataset) -> np.ndarray:
    """(N + 1,) int64, training interactions of every item; entry 0 is 0."""
    return np.bincount(training_items(dataset), minlength=dataset.n_items + 1)


def history_lengths(dataset: RecDataset, rows: np.ndarray, max_history: int) -> np.ndarray:
    """(S,) int64, items in the history of each row (user, position), at most `max_history`."""
    return np.minimum(rows[:, 1] - dataset.offsets[rows[:, 0]], max_history)


def gather_batch(items: Tensor, offsets: Tensor, rows: Tensor, max_history: int, times: Tensor | None = None) -> Batch:
    """The samples at `rows`; T is the longest history among them, at least 1.

    Args:
        items: (I,) the data set's items, any integer type.
        offsets: (U + 1,) int64.
        rows: (B, 2) int64, user and absolute position of the target.
        max_history: most recent items to keep, >= 1.
        times: (I,) seconds of the interactions, to be gathered with the items.

    >>> items, offsets = torch.tensor([7, 8, 9, 5, 6]), torch.tensor([0, 3, 5])
    >>> gather_batch(items, offsets, torch.tensor([[0, 2], [1, 4]]), max_history=20).histories.tolist()
    [[7, 8], [5, 0]]
    """
    users, positions = rows[:, 0], rows[:, 1]
    lengths = (positions - offsets[users]).clamp(max=max_history)
    longest = max(int(lengths.max()), 1) if len(rows) else 1
    steps = torch.arange(longest, device=rows.device)
    places = (positions - lengths)[:, None] + steps  # (B, T)
    inside = steps < lengths[:, None]
    places = places.masked_fill(~inside, 0)
    histories = items[places].long() * inside
    return Batch(histories, items[positions].long(), users, None if times is None else times[places] * inside)


def most_recent(histories: Tensor, n_items: int) -> Tensor:
    """The last `n_items` items of each right-padded history (B, T), right-padded, shape (B, min(T, n_items)).

    >>> most_recent(torch.tensor([[1, 2, 3], [4, 0, 0]]), 2).tolist()
    [[2, 3], [4, 0]]
    """
    if histories.shape[1] <= n_items:
        return histories
    return most_recent_values(histories, histories, n_items)


def most_recent_values(values: Tensor, histories: Tensor, n_items: int) -> Tensor:
    """What belongs to the items that `most_recent` keeps, from `values` (B, T) that lie beside the histories (B, T).

    >>> most_recent_values(torch.tensor([[10, 20, 30]]), torch.tensor([[7, 8, 9]]), 2).tolist()
    [[20, 30]]
    """
    if histories.shape[1] <= n_items:
        return values
    lengths = (histories > 0).sum(dim=1, keepdim=True)
    first = (lengths - n_items).clamp(min=0)
    return values.gather(1, first + torch.arange(n_items, device=histories.device))


def check_times(histories: Tensor, times: Tensor) -> None:
    """Refuse times (B, T) that do not belong to right-padded histories (B, T), oldest first.

    Raises:
        InputError: if the shapes differ, or a history's times fall.
    """
    if times.shape != histories.shape:
        raise InputError(
            f"times have shape {tuple(times.shape)} but the histories {tuple(histories.shape)}; give one each"
        )
    falls = (times.diff(dim=1) < 0) & (histories[:, 1:] > 0)
    if falls.any():
        row, place = falls.nonzero()[0].tolist()
        before, after = times[row, place : place + 2].tolist()
        raise InputError(f"the times of history {row + 1} fall from {before} to {after}; give histories oldest first")


def row_batches(dataset: RecDataset, rows: np.ndarray, *, batch_size: int, max_history: int) -> Iterator[Batch]:
    """The samples at `rows` (S, 2) in their order, `batch_size` at a time, with times where the data have them."""
    items, offsets = torch.from_numpy(dataset.items), torch.from_numpy(dataset.offsets)
    times = None if dataset.times is None else torch.from_numpy(dataset.times)
    for part in torch.from_numpy(rows).split(batch_size):
        yield gather_batch(items, offsets, part, max_history, times)
