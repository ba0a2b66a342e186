"""How often each data group (member of the bank) is drawn in pre-training: uniformly, or by influence (arXiv 2504.04400, 3.3).

The callback tells the module before every batch where in training it stands (draws are a function of that) and, every
`interval` epochs, with which probabilities to draw. Scores follow from `influence.py`, probabilities from
`group_scores.py`. Everything that a later update depends on is in the checkpoints.

Departures from the released code: `reference` counts epochs with the schedule of the config, not with a list of stage
lengths; all estimators read users, not batches, so the number of processes changes rounding alone (and, with
`reference`, whose dropout is on, the masks).
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from tigerlite.callbacks.group_scores import (
    GROUPS,
    cumulative,
    distance_from_uniform,
    noise_p_value,
    probabilities,
    standardised,
    validation_weights,
)
from tigerlite.callbacks.influence import ESTIMATORS, AdamState, Groups, Influence, Losses, ShardLoss, influence
from tigerlite.config import ConfigError, check, check_choice
from tigerlite.data.group_batches import GroupBatches
from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.data.sequences import Batch
from tigerlite.distributed import all_reduce_sum

UNITS = ("sample", "batch", "epoch")
NOISE_LEVEL = 0.05
"""p-value below which the spread of the scores counts as more than noise."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GroupSamplingConfig:
    """How identifiers are drawn where training reads several per item."""

    unit: str = "sample"
    """What shares a draw: sample (MTGRec; a whole sequence where all its prefixes are trained), batch or epoch."""
    influence: str = "uniform"
    """uniform (drawn alike, throughout), reference (the released code), adam or directional (the same, for a fraction). The last
    two compare plain cross-entropies without dropout, also where training weights its tokens; reference what is trained."""
    validation_groups: str = "others"
    """Whose validation loss a group is to lower: all (MTGRec; a badly learnt group then praises itself, since its own validation
    gradient is the largest), others (all but itself) or central (the first `n_central` members)."""
    n_central: int = 5
    """Members of validation_groups=central."""
    score: str = "zscore"
    """raw (MTGRec), or zscore: mean 0 and standard deviation 1 over the members before tau divides them."""
    tau: float = 1.0
    """Temperature of the softmax over scores (.1 to 10 in MTGRec, on raw scores)."""
    cap: float = 0.0
    """Largest probability, in multiples of 1 / M; 0 = none (MTGRec)."""
    warmup_epochs: int = 60
    """Epochs before the first update (60 of 200 in MTGRec)."""
    interval: int = 20
    """Epochs between updates (20 in MTGRec)."""
    train_share: float = 0.05
    """Share of the users whose training samples are read; 1 in MTGRec."""
    validation_share: float = 0.05
    """Share of the validation users, the same for every group; 1 in MTGRec."""
    n_shards: int = 20
    """Parts of the users from which noise is judged."""
    noise_test: bool = True
    """Stay uniform where the spread of the scores is no wider than chance makes it (p >= .05); false always follows them."""

    def __post_init__(self) -> None:
        check_choice("unit", self.unit, UNITS)
        check_choice("influence", self.influence, ("uniform", *ESTIMATORS))
        check_choice("validation_groups", self.validation_groups, GROUPS)
        check_choice("score", self.score, ("raw", "zscore"))
        check(self.tau > 0, "tau", self.tau, "a number > 0")
        check(self.cap == 0 or self.cap >= 1, "cap", self.cap, "0, or a number >= 1")
        for name in ("n_central", "warmup_epochs", "interval", "n_shards"):
            check(getattr(self, name) >= 1, name, getattr(self, name), "an integer >= 1")
        for name in ("train_share", "validation_share"):
            check(0 < getattr(self, name) <= 1, name, getattr(self, name), "a number in (0, 1]")

    @property
    def unused(self) -> tuple[str, ...]:
        """What only an influence reads."""
        if self.influence == "uniform":
            settings = ("validation_groups", "n_central", "score", "tau", "cap", "warmup_epochs", "interval")
            return (*settings, "train_share", "validation_share", "n_shards", "noise_test")
        return () if self.validation_groups == "central" else ("n_central",)


class GroupSampling(Callback):
    """Draws members, and updates with which probabilities.

    The module offers `set_draw`, `set_group_probabilities` and `member_losses(batch, member)`, losses of each target.

    Args:
        config: what to do.
        n_members: M, >= 2.
        seed: of the draws and of the bootstrap.
        batches: the samples that influence is computed on; None with influence=uniform.

    Raises:
        ConfigError: if the settings do not fit as many members.
    """

    def __init__(
        self, config: GroupSamplingConfig, *, n_members: int, seed: int, batches: GroupBatches | None = None
    ) -> None:
        if config.influence != "uniform" and config.validation_groups == "central" and config.n_central > n_members:
            raise ConfigError(f"n_central={config.n_central} is more than the {n_members} members; lower it")
        self._config = config
        self._n_members = n_members
        self._seed = seed
        self._batches = batches
        self._history: list[tuple[float, Tensor]] = []
        self._work = 0.0
        self.probabilities = torch.full((n_members,), 1 / n_members, dtype=torch.float64)
        """With which members are drawn, (M,)."""
        self.records: list[dict[str, Any]] = []
        """One per update: epoch, scores, p, its distance from uniform, p-value of the noise test, cost."""

    def state_dict(self) -> dict[str, Any]:
        """Scores and probabilities so far."""
        return {"history": self._history, "probabilities": self.probabilities, "records": self.records}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the run that is continued was."""
        self._history = [(float(rate), scores.cpu()) for rate, scores in state_dict["history"]]
        self.probabilities = state_dict["probabilities"].cpu()
        self.records = list(state_dict["records"])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hand the module what it draws with; say so where training ends before the first update."""
        if self._config.influence != "uniform" and self._config.warmup_epochs >= trainer.max_epochs:
            log.warning(
                "influence=%s is never computed: warmup_epochs=%d, and training has %d epochs; members are drawn uniformly",
                *(self._config.influence, self._config.warmup_epochs, trainer.max_epochs),
            )
        pl_module.set_group_probabilities(self.probabilities)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Say where training stands."""
        n_passes = trainer.accumulate_grad_batches
        pl_module.set_draw(
            self._config.unit,
            seed=self._seed,
            epoch=trainer.current_epoch,
            step=batch_idx // n_passes,
            part=batch_idx % n_passes * trainer.world_size + trainer.global_rank,
            n_parts=trainer.world_size * n_passes,
        )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Update p where it is due; not after the last epoch, which nothing follows."""
        epoch = trainer.current_epoch + 1
        since = epoch - self._config.warmup_epochs
        if self._config.influence == "uniform" or since < 0 or since % self._config.interval:
            return
        if epoch < trainer.max_epochs:
            self._update(trainer, pl_module, epoch)

    def _update(self, trainer: Trainer, module: LightningModule, epoch: int) -> None:
        started = time.perf_counter()
        adam = AdamState.of(trainer.optimizers[0])
        found = self._influence(trainer, module, adam)
        self._history.append((adam.lr, found.scores))
        scores = cumulative(self._history, normalised=self._config.influence == "reference")
        scaled = standardised(scores) if self._config.score == "zscore" else scores
        self.probabilities = probabilities(scaled, self._config.tau, self._config.cap)
        chance = noise_p_value(found.shards, seed=self._seed)
        is_noise = self._config.noise_test and chance >= NOISE_LEVEL
        if is_noise:
            self.probabilities = torch.full_like(self.probabilities, 1 / self._n_members)
        module.set_group_probabilities(self.probabilities)
        record = {
            "epoch": epoch,
            "scores": found.scores.tolist(),
            "p": self.probabilities.tolist(),
            "distance_from_uniform": distance_from_uniform(self.probabilities),
            "noise_p_value": chance,
            "stayed_uniform": is_noise,
            "seconds": time.perf_counter() - started,
            "epoch_equivalents": float(all_reduce_sum(torch.tensor(self._work))) / (3 * self._batches.n_epoch_targets),
        }
        self.records.append(record)
        _report(module, record, trainer.is_global_zero)

    def _influence(self, trainer: Trainer, module: LightningModule, adam: AdamState) -> Influence:
        """Scores of all members; without dropout, save in the released code."""
        self._work = 0.0
        rank, world = trainer.global_rank, trainer.world_size
        groups = Groups(
            self._losses(module, lambda: self._batches.train(rank, world)),
            self._losses(module, lambda: self._batches.validation(rank, world)),
            validation_weights(self._config.validation_groups, self._n_members, self._config.n_central),
            self._batches.n_shards,
        )
        module.train(self._config.influence == "reference")
        try:
            return influence(self._config.influence, groups, adam)
        finally:
            module.train()

    def _losses(
        self, module: LightningModule, batches: Callable[[], Iterator[tuple[int, Batch | PrefixBatch]]]
    ) -> Losses:
        def of_member(member: int) -> Iterator[ShardLoss]:
            for shard, batch in batches():
                losses = module.member_losses(move_data_to_device(batch, module.device), member)
                # A backward pass costs two forward ones.
                self._work += len(losses) * (3 if losses.requires_grad else 1)
                yield ShardLoss(shard, losses.flatten(1).mean(dim=1).double().sum(), len(losses))

        return of_member


def _report(module: LightningModule, record: dict[str, Any], is_first: bool) -> None:
    """Log an update; the curves of all members are in the stage's `groups.json` too."""
    stage = module.stage
    for name in ("distance_from_uniform", "noise_p_value", "seconds", "epoch_equivalents"):
        module.log(f"{stage}/groups/{name}", float(record[name]), rank_zero_only=True)
    for member, (score, share) in enumerate(zip(record["scores"], record["p"], strict=True)):
        module.log(f"{stage}/groups/score{member}", float(score), rank_zero_only=True)
        module.log(f"{stage}/groups/p{member}", float(share), rank_zero_only=True)
    if not is_first:
        return
    log.info(
        "epoch %d: p from %.4f to %.4f (uniform %.4f), distance from uniform %.4f, noise test p = %.3f%s; %.1f s",
        record["epoch"],
        min(record["p"]),
        max(record["p"]),
        1 / len(record["p"]),
        record["distance_from_uniform"],
        record["noise_p_value"],
        ", so drawn uniformly" if record["stayed_uniform"] else "",
        record["seconds"],
    )
