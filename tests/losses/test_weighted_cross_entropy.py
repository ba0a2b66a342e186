"""The cross-entropy against -log p written out, for levels of different sizes, smoothing and weights."""

import pytest
import torch

from tigerlite.losses.weighted_cross_entropy import token_cross_entropy, weighted_mean

SIZES = (4, 3, 7)


@pytest.fixture
def logits() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [3 * torch.randn(5, size, generator=generator) for size in SIZES]


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.tensor([[0, 0, 0], [3, 2, 6], [1, 1, 1], [2, 0, 5], [3, 1, 4]])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_each_token_costs_minus_the_log_probability_of_its_label(logits, labels, smoothing):
    losses = token_cross_entropy(logits, labels, smoothing)
    for level, size in enumerate(SIZES):
        for row in range(5):
            log_p = logits[level][row] - torch.log(logits[level][row].exp().sum())
            expected = -(1 - smoothing) * log_p[labels[row, level]] - smoothing * log_p.sum() / size
            assert losses[row, level].item() == pytest.approx(expected.item(), abs=1e-5)


def test_uniform_logits_cost_the_log_of_the_levels_size(labels):
    losses = token_cross_entropy([torch.zeros(5, size) for size in SIZES], labels)
    torch.testing.assert_close(losses, torch.tensor(SIZES).float().log().expand(5, -1))


def test_half_precision_logits_are_summed_in_float32(logits, labels):
    half = [level.bfloat16() for level in logits]
    losses = token_cross_entropy(half, labels)
    assert losses.dtype == torch.float32
    assert torch.equal(losses, token_cross_entropy([level.float() for level in half], labels))


def test_the_weighted_mean_is_over_all_tokens_and_weight_one_changes_nothing(logits, labels):
    losses = token_cross_entropy(logits, labels)
    assert torch.equal(weighted_mean(losses), losses.mean())
    assert torch.equal(weighted_mean(losses, torch.ones_like(losses)), losses.mean())
    weights = torch.zeros_like(losses)
    weights[1, 2] = 15.0  # mean 1 over the 15 tokens
    torch.testing.assert_close(weighted_mean(losses, weights), losses[1, 2])
