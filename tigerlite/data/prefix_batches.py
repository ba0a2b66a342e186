"""All prefixes of a sequence in one pass: whole chunks of sequences instead of one sample per target.

With an encoder whose tokens see only their own item and earlier ones, one pass over x_1..x_n serves every target x_2..x_n.
A model reads at most T items, so longer sequences are cut:

* the first chunk is x_1..x_(T+1); its targets are x_2..x_(T+1), each with its whole history;
* every further chunk has T + 1 items of which the first ceil(T / 2) are context only; the rest are its targets, so a
  target sees ceil(T / 2) to T items before it, encoded from the chunk's own first item.

Every training target occurs exactly once per epoch. A batch holds about `batch_size` targets, not sequences.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tigerlite.data.dataset import RecDataset

WINDOW = 50
"""Batches per sorted window."""


class PrefixBatch(NamedTuple):
    """Chunks of sequences; every item from position `first` on is a target of the items before it."""

    sequences: Tensor
    """(B, T + 1) int64 item ids, oldest first, right-padded with 0."""
    first: Tensor
    """(B,) int64, position of the first target in each row, >= 1."""
    n_targets: Tensor
    """() float32, targets of the global batch divided by the number of parts (processes x passes) it is split into."""
    times: Tensor | None = None
    """(B, T + 1) int64, seconds of the interactions, 0 at padding; None where nobody asked or the data have none."""


def plan_chunks(dataset: RecDataset, max_history: int) -> np.ndarray:
    """(C, 3) int64 rows (start, end, first target) of every chunk, absolute positions in `dataset.items`.

    User by user in time order; sequences of one training item have no target and no chunk.
    """
    starts, ends = dataset.offsets[:-1], dataset.train_ends
    lengths = ends - starts
    some = lengths >= 2
    first_chunks = np.stack([starts, np.minimum(ends, starts + max_history + 1), starts + 1], axis=1)[some]
    context = -(-max_history // 2)
    stride = max_history + 1 - context
    n_more = np.where(some, np.maximum(-(-(lengths - max_history - 1) // stride), 0), 0)
    users = np.repeat(np.arange(len(starts)), n_more)
    number = np.arange(n_more.sum()) - np.repeat(np.cumsum(n_more) - n_more, n_more)  # 0, 1, ... within a user
    targets = starts[users] + max_history + 1 + number * stride
    more = np.stack([targets - context, np.minimum(targets + stride, ends[users]), targets], axis=1)
    chunks = np.concatenate([first_chunks, more]).astype(np.int64)
    return chunks[np.argsort(chunks[:, 2], kind="stable")]


def plan_prefix_epoch(
    chunks: np.ndarray, *, batch_size: int, seed: int, epoch: int, world: int = 1
) -> list[np.ndarray]:
    """Indices of the chunks of every global batch; a function of (seed, epoch).

    Chunks are shuffled, sorted by shape within windows of about 50 batches, cut into batches of about equally many
    targets, and the batches shuffled. Every chunk occurs once and every batch has at least one for each of `world`
    processes. The number of batches is the same in every epoch, since Lightning asks for it once: ceil(targets /
    batch_size), or chunks // world where that is less.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(chunks))
    n_targets = chunks[:, 1] - chunks[:, 2]
    before = np.cumsum(n_targets[order]) - n_targets[order]
    window = before // (WINDOW * batch_size)
    context, lengths = (chunks[:, 2] - chunks[:, 0])[order], (chunks[:, 1] - chunks[:, 0])[order]
    # To and fro: first chunks grow and further ones shrink, every other window the other way round. So chunks are alike
    # wherever kinds or windows meet; a batch that held the shortest of one and the longest of another would be mostly padding.
    back = window % 2 == 1
    by_length = np.where((context > 1) == back, lengths, -lengths)
    order = order[np.lexsort((by_length, np.where(back, -context, context), window))]
    cuts = _even_cuts(np.cumsum(n_targets[order]), batch_size, world)
    batches = np.split(order, cuts)
    return [batches[index] for index in generator.permutation(len(batches))]


def n_prefix_batches(n_targets: int, n_chunks: int, batch_size: int, world: int = 1) -> int:
    """Batches per epoch: as many as the targets fill, but no more than leave `world` chunks for each.

    >>> n_prefix_batches(10, 6, batch_size=4), n_prefix_batches(10, 6, batch_size=1, world=2)
    (3, 3)
    """
    return max(min(-(-n_targets // batch_size), n_chunks // world), 1)


def _even_cuts(reached: np.ndarray, batch_size: int, world: int) -> np.ndarray:
    """Where chunks that reach so many targets are cut, leaving at least `world` chunks on either side of each cut."""
    n_batches = n_prefix_batches(int(reached[-1]), len(reached), batch_size, world)
    number = np.arange(1, n_batches)
    cuts = np.searchsorted(reached, reached[-1] * number / n_batches, side="left") + 1
    cuts = np.maximum.accumulate(np.maximum(cuts - number * world, 0)) + number * world
    return np.minimum(cuts, len(reached) - (n_batches - number) * world)


def gather_prefix_batch(
    items: Tensor, chunks: Tensor, n_targets: float, all_times: Tensor | None = None
) -> PrefixBatch:
    """The chunks (B, 3) as one batch, padded to the longest, with the times (I,) of the interactions if they are given.

    >>> items, chunks = torch.tensor([7, 8, 9, 5, 6]), torch.tensor([[0, 3, 1], [3, 5, 4]])
    >>> gather_prefix_batch(items, chunks, 3.0).sequences.tolist()
    [[7, 8, 9], [5, 6, 0]]
    """
    starts, lengths = chunks[:, 0], chunks[:, 1] - chunks[:, 0]
    steps = torch.arange(int(lengths.max()), device=chunks.device)
    inside = steps < lengths[:, None]
    places = (starts[:, None] + steps).masked_fill(~inside, 0)
    times = None if all_times is None else all_times[places] * inside
    return PrefixBatch(items[places].long() * inside, chunks[:, 2] - starts, torch.tensor(float(n_targets)), times)
