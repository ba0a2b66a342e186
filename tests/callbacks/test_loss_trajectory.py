"""The parts of the loss are logged at evenly spaced optimizer steps."""

from types import SimpleNamespace

import torch

from tigerlite.callbacks.loss_trajectory import LossTrajectory


def logged(n_steps: int, accumulate: int = 1) -> list[tuple[dict[str, float], int]]:
    rows = []
    logger = SimpleNamespace(log_metrics=lambda metrics, step: rows.append((metrics, step)))
    trainer = SimpleNamespace(
        estimated_stepping_batches=n_steps, accumulate_grad_batches=accumulate, logger=logger, global_step=0
    )
    callback = LossTrajectory("finetune")
    callback.on_train_start(trainer, None)
    for batch in range(n_steps * accumulate):
        trainer.global_step = (batch + 1) // accumulate
        parts = {"alpha/original": torch.tensor(float(trainer.global_step))}
        callback.on_train_batch_end(trainer, SimpleNamespace(training_parts=lambda p=parts: p), None, None, batch)
    return rows


def test_a_short_training_logs_every_step_once_whatever_the_passes():
    for accumulate in (1, 2):
        expected = [({"finetune/trajectory/alpha/original": float(step)}, step) for step in (1, 2, 3)]
        assert logged(3, accumulate) == expected


def test_a_long_training_logs_about_two_hundred_points():
    rows = logged(1000)
    assert [step for _, step in rows] == list(range(5, 1001, 5))
