"""The temperature over training: schedules by hand, both units, and a run that is continued."""

from types import SimpleNamespace

import pytest

from tigerlite.callbacks.annealing import SCHEDULES, Annealing, annealed
from tigerlite.config import ConfigError
from tigerlite.tokenizers import soft_rqvae_config


class Module:
    def __init__(self) -> None:
        self.seen: list[float] = []

    def set_temperature(self, temperature: float) -> None:
        self.seen.append(temperature)


def temperatures(annealing: Annealing, *, steps: range, n_steps: int, n_epochs: int) -> list[float]:
    module = Module()
    trainer = SimpleNamespace(estimated_stepping_batches=n_steps, max_epochs=n_epochs)
    for step in steps:
        trainer.global_step, trainer.current_epoch = step, step * n_epochs // n_steps
        if step == steps[0]:
            annealing.on_train_start(trainer, module)
        annealing.on_train_batch_start(trainer, module, None, 0)
    return module.seen


@pytest.mark.parametrize(
    ("schedule", "middle"),
    [("linear", 0.055), ("cosine", 0.055), ("exponential", (0.1 * 0.01) ** 0.5), ("constant", 0.01)],
)
def test_a_schedule_ends_at_the_lowest_temperature_exactly(schedule, middle):
    seen = temperatures(Annealing(0.1, 0.01, schedule), steps=range(5), n_steps=5, n_epochs=1)
    assert seen[0] == pytest.approx(0.01 if schedule == "constant" else 0.1)
    assert seen[2] == pytest.approx(middle)
    assert seen[-1] == pytest.approx(0.01)
    assert seen == sorted(seen, reverse=True)


def test_per_epoch_it_moves_between_epochs_alone():
    seen = temperatures(Annealing(3.0, 1.0, "linear", "epoch"), steps=range(6), n_steps=6, n_epochs=3)
    assert seen == pytest.approx([3.0, 3.0, 2.0, 2.0, 1.0, 1.0])


def test_the_lowest_temperature_is_held_for_a_share_of_training():
    seen = temperatures(Annealing(3.0, 1.0, "linear", hold=0.5), steps=range(9), n_steps=9, n_epochs=1)
    assert seen == pytest.approx([3.0, 2.5, 2.0, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0])


def test_a_run_that_is_continued_goes_on_where_it_was():
    whole = temperatures(Annealing(0.1, 0.01, "cosine"), steps=range(8), n_steps=8, n_epochs=2)
    first = Annealing(0.1, 0.01, "cosine")
    before = temperatures(first, steps=range(3), n_steps=8, n_epochs=2)
    second = Annealing(0.1, 0.01, "cosine")
    second.load_state_dict(first.state_dict())
    assert second.temperature == before[-1]
    assert before + temperatures(second, steps=range(3, 8), n_steps=8, n_epochs=2) == whole


def test_a_training_of_one_step_is_at_its_end():
    assert temperatures(Annealing(0.1, 0.01, "linear"), steps=range(1), n_steps=1, n_epochs=1) == [0.01]


def test_cosine_leaves_the_start_more_slowly_than_linear():
    assert annealed(1.0, 0.1, "cosine", 0.1) > annealed(1.0, 0.1, "linear", 0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.1, 0.0, "linear"), "tau_min=0.0 is out of range"),
        ((0.001, 0.01, "linear"), "tau_max=0.001 is out of range; allowed: a number >= tau_min"),
        ((0.1, 0.01, "lineer"), "did you mean 'linear'"),
        ((0.1, 0.01, "linear", "batch"), "anneal_per='batch' is unknown"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Annealing(*arguments)


def test_config_and_callback_know_the_same_schedules():
    assert soft_rqvae_config.SCHEDULES == SCHEDULES
