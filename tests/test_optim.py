"""Schedules depend on epochs only; decay leaves vectors alone."""

import math

import pytest
import torch
from torch import nn

from tigerlite.config import ConfigError
from tigerlite.optim import OptimizerConfig, build_optimizer, build_schedule, count_parameters, learning_rate_factor


def test_cosine_rises_linearly_then_falls_to_zero():
    config = OptimizerConfig(schedule="cosine", warmup_epochs=2)
    factors = [learning_rate_factor(config, epoch, 10) for epoch in (0, 1, 2, 6, 10)]
    assert factors == pytest.approx([0, 0.5, 1, 0.5 * (1 + math.cos(math.pi * 0.5)), 0])


def test_inverse_square_root_halves_when_epochs_quadruple():
    config = OptimizerConfig(schedule="inverse_sqrt", warmup_epochs=2)
    assert learning_rate_factor(config, 8, 100) == pytest.approx(learning_rate_factor(config, 2, 100) / 2)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine", "inverse_sqrt"])
def test_rate_at_an_epoch_does_not_depend_on_steps_per_epoch(schedule):
    config = OptimizerConfig(lr=1.0, schedule=schedule, warmup_epochs=1)
    rates = []
    for steps in (10, 1000):
        optimizer = build_optimizer(nn.Linear(2, 2), config)
        scheduler = build_schedule(optimizer, config, steps_per_epoch=steps, n_epochs=4)
        for _ in range(3 * steps - 1):
            optimizer.step()
            scheduler.step()
        rates.append(scheduler.get_last_lr()[0])
    assert rates[0] == pytest.approx(rates[1], abs=0.05)


def test_vectors_are_not_decayed_unless_asked():
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    kept = build_optimizer(model, OptimizerConfig(weight_decay=0.1))
    assert [group["weight_decay"] for group in kept.param_groups] == [0.1, 0.0]
    assert {p.ndim for p in kept.param_groups[1]["params"]} == {1}
    everything = build_optimizer(model, OptimizerConfig(weight_decay=0.1, decay_all=True))
    assert [group["weight_decay"] for group in everything.param_groups] == [0.1]


def test_out_of_range_is_refused():
    with pytest.raises(ConfigError, match=r"lr=0 is out of range"):
        OptimizerConfig(lr=0)
    with pytest.raises(ConfigError, match=r"schedule='cosin' is unknown.*did you mean 'cosine'"):
        OptimizerConfig(schedule="cosin")


def test_count_parameters_skips_frozen_ones():
    layer = nn.Linear(3, 2)
    layer.bias.requires_grad_(False)
    assert count_parameters(layer.parameters()) == 3 * 2
    assert torch.is_tensor(layer.weight)
