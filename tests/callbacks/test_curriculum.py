"""The curriculum's pace: the paper's identities, the heuristics, and independence from how a step is computed."""

import math
from pathlib import Path

import lightning
import pytest
import torch

from tigerlite.callbacks.curriculum import Curriculum, CurriculumConfig, loss_weights
from tigerlite.config import ConfigError
from tigerlite.losses.mixing import Mixing, MultiTargetConfig
from tigerlite.stages.trainer import build_trainer, fit
from tigerlite.stages.trainer_config import Context, TrainerConfig

TARGETS = ("front_greater", "frequency", "original")


def weights(step: int, n_steps: int = 100, targets: tuple[str, ...] = TARGETS, **changes) -> list[float]:
    found = loss_weights(CurriculumConfig(**changes), targets, step, n_steps)
    return [found[target] for target in targets]


def test_alpha_goes_from_halves_without_frequency_to_frequency_alone():
    mixing = Mixing(MultiTargetConfig(targets=TARGETS))
    config = CurriculumConfig(schedule="exponential", unit="steps", c=2e-5)
    mixing.set_pace(loss_weights(config, TARGETS, 0, 1))
    assert mixing.alphas().tolist() == [0.5, 0.0, 0.5]
    mixing.set_pace(loss_weights(config, TARGETS, 10**9, 1))
    assert mixing.alphas().tolist() == [0.0, 1.0, 0.0]


def test_the_pace_halves_at_log_two_over_c():
    assert weights(34_657, schedule="exponential", unit="steps", c=2e-5) == pytest.approx([0.5, 0.5, 0.5], abs=1e-5)


def test_kappa_is_c_times_the_length_of_training():
    by_step = weights(300, 1000, schedule="exponential", unit="steps", c=1.76e-3)
    assert weights(300, 1000, schedule="exponential", unit="fraction", kappa=1.76) == pytest.approx(by_step)
    assert weights(30, 100, schedule="exponential", unit="fraction", kappa=1.76) == pytest.approx(by_step)


def test_without_a_speed_nothing_moves():
    assert weights(10**6, schedule="exponential", unit="steps", c=0.0) == [1.0, 0.0, 1.0]
    assert weights(50, schedule="none") == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, [1.0, 0.0, 0.0]),
        (50_000, [0.3, 0.2, 0.5]),
        # Original and frequency have passed 1 together: front_greater stays at 0 and the sum at 1.
        (100_000, [0.0, 0.4 / 1.4, 1 / 1.4]),
        (10**6, [0.0, 0.4 / 1.4, 1 / 1.4]),
    ],
)
def test_the_linear_heuristic_of_three_targets(step, expected):
    assert weights(step, schedule="linear", unit="steps") == pytest.approx(expected)


def test_the_linear_heuristic_of_two_targets():
    assert weights(25_000, targets=("front_greater", "original"), schedule="linear", unit="steps") == [0.75, 0.25]
    for step, late in ((50_000, 0.2), (10**6, 0.4)):
        found = weights(step, targets=("frequency", "original"), schedule="linear", unit="steps")
        assert found == pytest.approx([late, 1 - late])


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, [1, 0, 0]), (10, [0.5, 0, 0.5]), (20, [0, 0, 1]), (60, [0, 0.5, 0.5]), (100, [0, 1, 0]), (120, [0, 1, 0])],
)
def test_the_staged_heuristic_goes_from_one_target_to_the_next(step, expected):
    assert weights(step, schedule="staged", middle=0.2) == pytest.approx(expected)


class Recording(lightning.LightningModule):
    """Keeps the loss weights of every batch; validates too."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.now: dict[str, float] = {}
        self.seen: list[tuple[int, float]] = []
        self.validated: list[float] = []

    def set_loss_weights(self, weights: dict[str, float]) -> None:
        self.now = weights

    def training_step(self, batch, batch_idx):
        self.seen.append((self.global_step, self.now["frequency"]))
        return (self.weight - batch).square().mean()

    def validation_step(self, batch, batch_idx):
        self.validated.append(self.now["frequency"])
        self.log("fit/late", self.now["frequency"], batch_size=1)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Batches:
    """So many passes per epoch."""

    def __init__(self, n: int) -> None:
        self._n = n

    def __len__(self) -> int:
        return self._n

    def __iter__(self):
        return iter([torch.ones(1)] * self._n)


class Data(lightning.LightningDataModule):
    def __init__(self, n: int) -> None:
        super().__init__()
        self._n = n

    def train_dataloader(self):
        return Batches(self._n)

    def val_dataloader(self):
        return Batches(3)


def trained(folder: Path, *, epochs: int, accumulate: int = 1) -> tuple[Recording, Curriculum]:
    module = Recording()
    curriculum = Curriculum(CurriculumConfig(schedule="exponential", kappa=2.0), TARGETS)
    trainer = build_trainer(
        Context(trainer=TrainerConfig(accelerator="cpu", progress=False)),
        stage="fit",
        folder=folder,
        epochs=epochs,
        callbacks=[curriculum],
        monitor="fit/late",
        accumulate=accumulate,
    )
    fit(trainer, module, folder, Data(4 * accumulate))
    return module, curriculum


def test_every_pass_of_a_step_has_the_weights_of_that_step_and_validation_moves_nothing(tmp_path):
    expected = [1 - math.exp(-2.0 * step / 8) for step in range(8)]
    for accumulate in (1, 3):
        (tmp_path / str(accumulate)).mkdir()
        module, _ = trained(tmp_path / str(accumulate), epochs=2, accumulate=accumulate)
        assert [step for step, _ in module.seen] == [step for step in range(8) for _ in range(accumulate)]
        assert [late for _, late in module.seen] == pytest.approx([e for e in expected for _ in range(accumulate)])
        assert set(module.validated) == {expected[3], expected[7]}


def test_a_checkpoint_holds_the_weights(tmp_path):
    _, curriculum = trained(tmp_path, epochs=1)
    states = torch.load(tmp_path / "last.ckpt", weights_only=True)["callbacks"]
    assert states["Curriculum"] == {"weights": curriculum.weights}
    other = Curriculum(CurriculumConfig(schedule="exponential"), TARGETS)
    other.load_state_dict(states["Curriculum"])
    assert other.weights == curriculum.weights


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"c": -1e-5}, "c=-1e-05 is out of range; allowed: a number >= 0"),
        ({"kappa": math.nan}, "kappa=nan is out of range"),
        ({"schedule": "exponent"}, "did you mean 'exponential'"),
        ({"unit": "epochs"}, "allowed: steps, fraction"),
        ({"frequency_cap": 1.5}, "frequency_cap=1.5 is out of range"),
        ({"middle": 1.0}, "middle=1.0 is out of range"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        CurriculumConfig(**changes)
