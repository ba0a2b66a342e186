"""The uniformity term: hand-worked values and its direction."""

import math

import pytest
import torch

from tigerlite.losses.uniformity import uniformity_loss


def test_it_is_the_divergence_of_the_mean_shares_from_even_use_averaged_over_levels():
    # Shares of level 1: (3/4, 1/4) and (1/4, 3/4), mean even; of level 2: (3/4, 1/4) twice.
    step = math.log(3.0)
    even = torch.tensor([[0.0, step], [step, 0.0]])
    uneven = torch.tensor([[0.0, step], [0.0, step]])
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert uniformity_loss([even], 1.0).item() == pytest.approx(0.0, abs=1e-6)
    assert uniformity_loss([even * 2, uneven * 2], 2.0).item() == pytest.approx(divergence / 2, abs=1e-6)


def test_a_code_that_nobody_is_near_costs_the_others_and_makes_no_nan():
    distances = torch.tensor([[0.0, 1e6], [0.0, 1e6]], requires_grad=True)
    loss = uniformity_loss([distances], 0.01)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2.0))
    assert distances.grad.isfinite().all()


def test_a_step_makes_use_more_even():
    distances = torch.rand(20, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = uniformity_loss([distances], 0.1)
    loss.backward()
    assert uniformity_loss([distances - distances.grad], 0.1) < loss
