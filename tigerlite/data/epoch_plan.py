"""Which samples each batch of an epoch holds: a function of (seed, epoch), little padding, every sample once."""

import numpy as np

from tigerlite.data.prefix_batches import WINDOW


def n_batches(n_samples: int, batch_size: int, world: int = 1) -> int:
    """Batches per epoch, the last one short; samples that would not give every process one are left out."""
    return n_samples // batch_size + (n_samples % batch_size >= world)


def plan_epoch(lengths: np.ndarray, *, batch_size: int, seed: int, epoch: int, world: int = 1) -> list[np.ndarray]:
    """Indices of the samples of every global batch of an epoch, in order.

    Every sample occurs once. The short last batch is cut to a multiple of `world`, so that the mean over processes is
    the mean over samples; fewer than `world` samples, other ones in each epoch, are left out.

    Args:
        lengths: (S,) history length of every sample.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    n_used = len(order) - len(order) % batch_size % world
    order = order[:n_used]
    window = np.arange(n_used) // (WINDOW * batch_size)
    # Equal lengths stay in shuffled order: lexsort is stable.
    order = order[np.lexsort((lengths[order], window))]
    batches = [order[start : start + batch_size] for start in range(0, n_used, batch_size)]
    return [batches[index] for index in generator.permutation(len(batches))]
