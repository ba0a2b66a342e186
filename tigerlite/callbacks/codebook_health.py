"""Watches the codebooks of a tokenizer in training and says what to do when a level is hardly used."""

import logging
from typing import Any, Protocol

from lightning.pytorch import Callback, LightningModule, Trainer

from tigerlite.evaluation.codes import LevelHealth, codes_health, collision_rate

# A level that spreads items over less than this share of its codes says little about them.
LOW_SHARE = 0.2

log = logging.getLogger(__name__)


class Revives(Protocol):
    """What an RQ-VAE's config has against codes that are never used."""

    kmeans_init: bool
    revive_after: int


class CodebookHealth(Callback):
    """Logs usage, perplexity, dead codes and collision rate after every epoch; warns once per level.

    The module offers `training_codes()`, codes (n, L) of the epoch that ends, equal on all processes, and `codebook_sizes`.

    Args:
        patience: epochs without warnings; while the encoder still moves fast, moving averages lag behind it and revival
            has to fill the levels again.
    """

    def __init__(self, patience: int = 20) -> None:
        self._patience = patience
        self._warned: list[int] = []

    def state_dict(self) -> dict[str, Any]:
        """The levels that were warned about."""
        return {"warned": self._warned}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Do not repeat the warnings of the run that is continued."""
        self._warned = list(state_dict["warned"])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log `tokenize/level1/perplexity`, ... and warn."""
        codes = pl_module.training_codes().cpu().numpy()
        levels = codes_health(codes, pl_module.codebook_sizes)
        values = {"tokenize/collision_rate": collision_rate(codes)}
        for number, health in enumerate(levels, start=1):
            values[f"tokenize/level{number}/usage"] = health.used / health.size
            values[f"tokenize/level{number}/perplexity"] = health.perplexity
            values[f"tokenize/level{number}/dead"] = float(health.dead)
        # Every process holds the same codes, so the average that sync_dist takes changes nothing.
        pl_module.log_dict(values, sync_dist=True)
        if trainer.current_epoch + 1 >= self._patience:
            for number, health in enumerate(levels, start=1):
                if number not in self._warned and health.perplexity < LOW_SHARE * health.size:
                    self._warned.append(number)
                    if trainer.is_global_zero:
                        log.warning(low_perplexity(number, health, pl_module.config))


def low_perplexity(number: int, health: LevelHealth, config: Revives) -> str:
    """What to say about a level (counted from 1) that is hardly used; only what is not set already is advised."""
    settings = []
    if not config.kmeans_init:
        settings.append("set tokenize.rqvae.kmeans_init=true")
    if config.revive_after != 1:
        settings.append("set tokenize.rqvae.revive_after=1")
    advice = [*settings, "give the items distinct texts", "take fewer codes in tokenize.rqvae.codebook_sizes"]
    return (
        f"level {number} spreads the items over {health.perplexity:.1f} of {health.size} codes (perplexity, "
        f"{health.dead} dead); {', '.join(advice[:-1])}, or {advice[-1]}"
    )
