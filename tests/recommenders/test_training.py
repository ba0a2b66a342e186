"""What trained recommenders share: the sums of validation, the mean over targets, a mode that asking does not change."""

import math
from pathlib import Path

import pytest
import torch

from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.data.sequences import Batch
from tigerlite.optim import OptimizerConfig
from tigerlite.recommenders.base import Recommendations
from tigerlite.recommenders.training import TrainedRecommender


class Fixed(TrainedRecommender):
    """Ranks items 1..10 for everybody; the loss of a target is its id."""

    name, fingerprint, trains_all_prefixes = "fixed", "0", True

    def __init__(self) -> None:
        super().__init__("finetune", OptimizerConfig())
        self.weight = torch.nn.Parameter(torch.zeros(3, 2))
        self.logged: dict[str, float] = {}
        self.modes: list[bool] = []

    def log(self, name: str, value: torch.Tensor, **settings) -> None:
        self.logged[name] = float(value)

    def log_dict(self, values: dict[str, float], **settings) -> None:
        self.logged |= values

    def training_losses(self, batch: PrefixBatch) -> torch.Tensor:
        return batch.sequences[:, 1:].flatten().float()

    def validation_losses(self, batch: Batch) -> torch.Tensor:
        return batch.targets.float()

    def validation_items(self, batch: Batch) -> torch.Tensor:
        return torch.arange(1, 11).expand(len(batch.targets), -1)

    def ranked(self, histories: torch.Tensor, k: int, exclude_history: bool) -> Recommendations:
        self.modes += [self.training, torch.is_inference_mode_enabled()]
        return Recommendations(histories[:, :k], histories[:, :k].float())

    def save(self, folder: Path) -> None:
        """Nothing is kept."""


def test_validation_means_are_over_the_users_of_all_batches():
    model, users = Fixed(), torch.zeros(2, dtype=torch.int64)
    model.on_validation_epoch_start()
    for targets in ([1, 3], [20]):
        batch = Batch(torch.ones(len(targets), 1, dtype=torch.int64), torch.tensor(targets), users[: len(targets)])
        model.validation_step(batch, 0)
    model.on_validation_epoch_end()
    # Ranks 1, 3 and none: gains 1, 1 / log2(4) and 0.
    assert model.logged["finetune/valid/recall@10"] == pytest.approx(2 / 3)
    assert model.logged["finetune/valid/ndcg@10"] == pytest.approx((1 + 1 / math.log2(4)) / 3)
    assert model.logged["finetune/valid/loss"] == pytest.approx((1 + 3 + 20) / 3)


def test_a_part_of_a_batch_counts_by_its_targets():
    model = Fixed()
    # Four targets here of eight in the batch of two processes, so an average part has four; then three of eight.
    whole = PrefixBatch(torch.tensor([[9, 1, 2, 3, 6]]), torch.tensor([1]), torch.tensor(4.0))
    part = PrefixBatch(torch.tensor([[9, 1, 2, 3]]), torch.tensor([1]), torch.tensor(4.0))
    assert float(model.training_step(whole, 0)) == pytest.approx((1 + 2 + 3 + 6) / 4)
    assert float(model.training_step(part, 0)) == pytest.approx((1 + 2 + 3) / 4)


@pytest.mark.parametrize("training", [True, False])
def test_asking_runs_in_evaluation_mode_without_gradients_and_gives_the_mode_back(training):
    model = Fixed().train(training)
    assert model.recommend(torch.tensor([[4, 5, 6]]), 2).items.tolist() == [[4, 5]]
    assert model.modes == [False, True]
    assert model.training is training


def test_gradients_are_clipped_to_the_norm_and_left_alone_without_one():
    model = Fixed()
    for clip, expected in ((None, 10.0), (0.0, 10.0), (1.0, 1.0)):
        model.weight.grad = torch.full((3, 2), 10.0 / math.sqrt(6))
        model.configure_gradient_clipping(torch.optim.SGD(model.parameters()), clip, gradient_clip_algorithm="norm")
        assert float(model.weight.grad.norm()) == pytest.approx(expected, rel=1e-4)


def test_parameters_are_counted():
    assert Fixed().n_parameters == 6
