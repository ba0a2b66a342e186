"""Randomness as a pure function of (seed, epoch, rank), so that a resumed run equals one never interrupted.

A run that goes on inside an epoch gets the streams back where they were: every checkpoint holds the state of each rank.
"""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from tigerlite.distributed import all_gather_cat

STATES = "random_states"
"""Key in a checkpoint: (W, S) bytes, one row per rank."""


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
        self._states: Tensor | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reseed torch on all devices."""
        torch.manual_seed(epoch_seed(self._seed, trainer.current_epoch, trainer.global_rank))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the streams of all ranks; every rank enters here, one writes."""
        state = torch.get_rng_state()
        if pl_module.device.type == "cuda":
            state = torch.cat([state, torch.cuda.get_rng_state(pl_module.device)])
        checkpoint[STATES] = all_gather_cat(state[None])

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the streams until training goes on: until then others may draw."""
        self._states = checkpoint.get(STATES)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set this rank's streams, where training goes on inside an epoch, which is not reseeded then."""
        if self._states is None or not trainer.fit_loop.restarted_mid_epoch:
            return
        state = self._states[trainer.global_rank].cpu()
        n_bytes = len(torch.get_rng_state())
        # Copies: torch 2.13 reads past the end of a view that does not begin where its storage does, and crashes.
        torch.set_rng_state(state[:n_bytes].clone())
        if pl_module.device.type == "cuda" and len(state) > n_bytes:
            torch.cuda.set_rng_state(state[n_bytes:].clone(), pl_module.device)
        self._states = None
