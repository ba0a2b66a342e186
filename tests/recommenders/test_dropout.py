import pytest
import torch

from tigerlite.recommenders.dropout import Dropout


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_share_of_zeros_and_mean_match_the_rate(rate):
    torch.manual_seed(0)
    kept = Dropout(rate)(torch.ones(1000, 1001))
    assert (kept == 0).float().mean().item() == pytest.approx(round(rate * 256) / 256, abs=2e-3)
    assert kept.mean().item() == pytest.approx(1, abs=3e-3)


def test_every_byte_of_the_random_words_is_uniform():
    torch.manual_seed(0)
    kept = Dropout(0.5)(torch.ones(100_000, 8))
    # A word with a fixed sign bit would give one of the eight columns a share of 1 or 0.
    torch.testing.assert_close((kept == 0).float().mean(0), torch.full((8,), 0.5), atol=0.01, rtol=0)


def test_same_seed_gives_the_same_mask_and_two_calls_do_not():
    dropout = Dropout(0.3)
    torch.manual_seed(1)
    first, second = dropout(torch.ones(999)), dropout(torch.ones(999))
    torch.manual_seed(1)
    assert torch.equal(dropout(torch.ones(999)), first)
    assert not torch.equal(first, second)


def test_gradient_passes_the_kept_elements_only():
    hidden = torch.ones(5000, requires_grad=True)
    kept = Dropout(0.25)(hidden)
    kept.sum().backward()
    assert torch.equal(hidden.grad, kept.detach())


def test_adding_equals_dropout_and_sum():
    residual, hidden = torch.randn(64, 33), torch.randn(64, 33)
    dropout = Dropout(0.2)
    torch.manual_seed(2)
    expected = residual + dropout(hidden)
    torch.manual_seed(2)
    torch.testing.assert_close(dropout.add(residual, hidden), expected)
    torch.manual_seed(2)
    mixed = dropout.add(residual, hidden.bfloat16())
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, expected, atol=0.05, rtol=0)


def test_nothing_changes_in_evaluation_or_at_rate_zero():
    hidden = torch.randn(7, 3)
    assert Dropout(0.5).eval()(hidden) is hidden
    assert Dropout(0.0)(hidden) is hidden


@pytest.mark.parametrize("rate", [0.0001, 0.999])
def test_extreme_rates_round_neither_to_zero_nor_to_one(rate):
    torch.manual_seed(0)
    kept = Dropout(rate)(torch.ones(100_000))
    assert 0 < (kept == 0).sum() < 100_000
    assert kept.mean().item() == pytest.approx(1, abs=0.2)
