"""Batches of row numbers into a matrix that already lies on the device: nothing is loaded, so there are no workers.

There is no gradient accumulation (`trainer.accumulate`): EMA codebooks move with every pass and not with every optimizer
step, so that passes would train another tokenizer, and a batch of vectors needs little memory.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from tigerlite.distributed import rank, world_size


class IndexBatches:
    """Yields row numbers (B,), each row once per epoch, in an order that is a pure function of (seed, epoch).

    The rows of an epoch are cut into ceil(n / batch_size) batches whose sizes differ by one at most, each of them into
    one share per process, so that every process takes the same number of steps and no share is a small remainder.

    Args:
        rows: row numbers (n,) to visit.
        batch_size: rows per optimizer step, over all processes.
        seed: of the order; None keeps the order of `rows` and gives every process all rows (validation).
        epoch: called at the first batch of each pass.

    >>> batches = IndexBatches(torch.arange(5), 2, seed=0, epoch=lambda: 3)
    >>> len(batches), [len(batch) for batch in batches], sorted(torch.cat(list(batches)).tolist())
    (3, [2, 2, 1], [0, 1, 2, 3, 4])
    """

    def __init__(self, rows: Tensor, batch_size: int, *, seed: int | None, epoch: Callable[[], int] = int) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        return max(1, -(-len(self.rows) // self.batch_size))

    def __iter__(self) -> Iterator[Tensor]:
        if self.seed is None:
            yield from self.rows.tensor_split(len(self))
            return
        order = torch.randperm(len(self.rows), generator=seeded_generator(self.seed, self.epoch(), 0))
        for batch in self.rows[order.to(self.rows.device)].tensor_split(len(self)):
            yield batch.tensor_split(world_size())[rank()]


def seeded_generator(seed: int, epoch: int, stream: int) -> torch.Generator:
    """A CPU generator that is a pure function of its arguments; different arguments give unrelated streams."""
    state = np.random.SeedSequence([seed, epoch, stream]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]) % 2**63)
