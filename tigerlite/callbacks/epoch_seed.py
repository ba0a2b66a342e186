"""Randomness as a pure function of (seed, epoch, rank), so that a run resumed at an epoch equals one never interrupted."""

import torch
from lightning.pytorch import Callback, LightningModule, Trainer


def epoch_seed(seed: int, epoch: int, rank: int) -> int:
    """A 63-bit seed for one epoch on one rank; distinct triples give unrelated streams.

    >>> epoch_seed(1, 2, 0) == epoch_seed(1, 2, 0), epoch_seed(1, 2, 0) == epoch_seed(1, 2, 1)
    (True, False)
    """
    # SplitMix64 finaliser: neighbouring inputs give unrelated outputs.
    mixed = (seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + rank * 0x94D049BB133111EB) % 2**64
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % 2**64
    return (mixed ^ (mixed >> 31)) % 2**63


class EpochSeed(Callback):
    """Reseeds dropout and other device randomness at the start of every training epoch, differently on every rank."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reseed torch on all devices."""
        torch.manual_seed(epoch_seed(self._seed, trainer.current_epoch, trainer.global_rank))
