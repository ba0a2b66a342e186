"""What every recommender that Lightning trains shares: optimiser, clipping, and validation by full-ranking NDCG@10.

One criterion for all methods: the checkpoint with the highest NDCG@10 over the validation users, every item of the
catalogue ranked by the method's own `recommend`.
"""

from abc import abstractmethod
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.data.sequences import Batch, check_times
from tigerlite.distributed import all_reduce_sum
from tigerlite.evaluation.ranking import ranks_in_list
from tigerlite.losses.weighted_cross_entropy import weighted_mean
from tigerlite.optim import OptimizerConfig, SeparateGroup, build_optimizer, build_schedule, count_parameters
from tigerlite.recommenders.base import Recommendations, Recommender

VALIDATION_CUTOFF = 10


class TrainedRecommender(LightningModule, Recommender):
    """A recommender trained on batches of targets.

    Args:
        stage: prefix of the logged metrics.
        optimizer: AdamW and its schedule.
    """

    monitor = f"valid/ndcg@{VALIDATION_CUTOFF}"

    def __init__(self, stage: str, optimizer: OptimizerConfig) -> None:
        super().__init__()
        self.stage = stage
        self._optimizer = optimizer

    @property
    def n_parameters(self) -> int:
        """Trained scalars."""
        return count_parameters(self.parameters())

    @property
    @abstractmethod
    def trains_all_prefixes(self) -> bool:
        """Whether it trains on `PrefixBatch` (all positions of a sequence at once) rather than `Batch`."""

    @abstractmethod
    def training_losses(self, batch: Batch | PrefixBatch) -> Tensor:
        """Losses of the batch's targets, (n_targets,) or (n_targets, L)."""

    def separate_parameters(self, n_steps: int) -> list[SeparateGroup]:
        """Parameters with a learning rate of their own in a training of `n_steps`, without weight decay or clipping."""
        return []

    @abstractmethod
    def validation_losses(self, batch: Batch) -> Tensor:
        """Loss of each target given its whole history, shape (B,)."""

    @abstractmethod
    def validation_items(self, batch: Batch) -> Tensor:
        """Items (B, 10) ranked for whole histories, as `recommend` ranks them."""

    @property
    def reads_times(self) -> bool:
        """Whether it looks at the times of interactions, where there are any; then `ranked` takes them as `times`."""
        return False

    @abstractmethod
    def ranked(self, histories: Tensor, k: int, exclude_history: bool) -> Recommendations:
        """What `recommend` answers, of histories (B, T) on the model's device; called in evaluation mode."""

    @torch.inference_mode()
    def recommend(
        self, histories: Tensor, k: int, times: Tensor | None = None, exclude_history: bool = False
    ) -> Recommendations:
        """Ranked items and their scores, see `Recommender.recommend`; the model's mode is as before afterwards."""
        training = self.training
        self.eval()
        try:
            if times is None or not self.reads_times:
                return self.ranked(histories.to(self.device), k, exclude_history)
            check_times(histories, times)
            return self.ranked(histories.to(self.device), k, exclude_history, times.to(self.device))
        finally:
            self.train(training)

    def training_step(self, batch: Batch | PrefixBatch, batch_idx: int) -> Tensor:
        """Mean loss over targets (and tokens)."""
        losses = self.training_losses(batch)
        loss = weighted_mean(losses)
        if isinstance(batch, PrefixBatch):
            # Processes may hold different numbers of targets; ddp's mean over processes is then the mean over targets.
            loss = loss * (len(losses) / batch.n_targets)
        self.log(
            f"{self.stage}/train/loss",
            loss.detach(),
            on_step=False,
            on_epoch=True,
            prog_bar=True,
            batch_size=len(losses),
            sync_dist=True,
        )
        return loss

    def on_validation_epoch_start(self) -> None:
        """Start the sums: users, hits and gains at 10, loss."""
        self._sums = torch.zeros(4, dtype=torch.float64)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add a batch of users to the sums."""
        ranks = ranks_in_list(self.validation_items(batch), batch.targets).cpu()
        hits = (ranks > 0).double()
        gains = hits / torch.log2(ranks.clamp(min=1) + 1.0)
        loss = self.validation_losses(batch).sum().cpu().double()
        self._sums += torch.stack([torch.tensor(float(len(ranks))), hits.sum(), gains.sum(), loss])

    def on_validation_epoch_end(self) -> None:
        """Log means over the users of all ranks."""
        n_users, hits, gains, loss = all_reduce_sum(self._sums.to(self.device)).tolist()
        means = {f"recall@{VALIDATION_CUTOFF}": hits / n_users, f"ndcg@{VALIDATION_CUTOFF}": gains / n_users}
        means["loss"] = loss / n_users
        self.log_dict({f"{self.stage}/valid/{name}": value for name, value in means.items()}, prog_bar=True)

    def configure_gradient_clipping(
        self, optimizer: torch.optim.Optimizer, gradient_clip_val: float | None = None, **settings: Any
    ) -> None:
        """Clip the norm; Lightning refuses to under autocast with a fused optimizer, though bf16 has no scaler to undo."""
        if gradient_clip_val:
            # In the optimizer's order, as Lightning does: another order of summation rounds differently.
            groups = [group for group in optimizer.param_groups if group.get("clipped", True)]
            parameters = [weight for group in groups for weight in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, gradient_clip_val)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW and the schedule, stepped per optimiser step."""
        n_epochs = max(self.trainer.max_epochs or 1, 1)
        steps = max(int(self.trainer.estimated_stepping_batches) // n_epochs, 1)
        separate = self.separate_parameters(steps * n_epochs)
        optimizer = build_optimizer(
            self, self._optimizer, fused=self.trainer.precision != "16-mixed", separate=separate
        )
        schedule = build_schedule(optimizer, self._optimizer, steps_per_epoch=steps, n_epochs=n_epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
