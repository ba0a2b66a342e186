"""Next-item losses against loops over targets, negatives and items, and the negatives' distributions."""

import pytest
import torch

from tests.reference import next_item as slow
from tigerlite.config import InputError
from tigerlite.losses.next_item import (
    binary_cross_entropy,
    full_cross_entropy,
    generalised_binary_cross_entropy,
    log_popularity,
    sampled_cross_entropy,
    shared_negatives,
    uniform_negatives,
)

N_ITEMS, WIDTH = 6, 4
COUNTS = torch.tensor([0, 5, 0, 2, 9, 1, 30])
TARGETS = torch.tensor([3, 6, 1])


@pytest.fixture
def states() -> torch.Tensor:
    return torch.randn(len(TARGETS), WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def items() -> torch.Tensor:
    """With a padding row that would matter if it were a class."""
    return torch.randn(N_ITEMS + 1, WIDTH, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_full_cross_entropy_equals_loops(states, items, smoothing):
    expected = [
        slow.cross_entropy(state, target, items.tolist(), smoothing)
        for state, target in zip(states.tolist(), TARGETS.tolist(), strict=True)
    ]
    torch.testing.assert_close(full_cross_entropy(states, TARGETS, items, smoothing), torch.tensor(expected))


def test_sampled_cross_entropy_equals_loops_and_leaves_out_the_target(states, items):
    negatives, log_q = torch.tensor([3, 4, 4, 6]), log_popularity(COUNTS)
    expected = [
        slow.sampled_cross_entropy(state, target, items.tolist(), negatives.tolist(), log_q.exp().tolist())
        for state, target in zip(states.tolist(), TARGETS.tolist(), strict=True)
    ]
    losses = sampled_cross_entropy(states, TARGETS, items, negatives, log_q)
    torch.testing.assert_close(losses, torch.tensor(expected))


def test_sampled_cross_entropy_is_the_full_one_when_items_are_drawn_as_often_as_expected(states, items):
    draws = torch.tensor([0, 1, 3, 2, 4, 1, 5])
    q = draws / draws.sum()
    negatives = torch.arange(N_ITEMS + 1).repeat_interleave(draws)
    losses = sampled_cross_entropy(states, TARGETS, items, negatives, q.log())
    torch.testing.assert_close(losses, full_cross_entropy(states, TARGETS, items))


def test_binary_losses_equal_loops(states, items):
    negatives = torch.tensor([[1, 2], [5, 5], [4, 6]])
    t = 0.75
    alpha = 2 / (N_ITEMS - 1)
    for beta, found in (
        (1.0, binary_cross_entropy(states, TARGETS, items, negatives)),
        (
            alpha * (t * (1 - 1 / alpha) + 1 / alpha),
            generalised_binary_cross_entropy(states, TARGETS, items, negatives, t=t, n_items=N_ITEMS),
        ),
    ):
        expected = [
            slow.binary_cross_entropy(state, target, items.tolist(), row, beta)
            for state, target, row in zip(states.tolist(), TARGETS.tolist(), negatives.tolist(), strict=True)
        ]
        torch.testing.assert_close(found, torch.tensor(expected))


def test_gbce_without_calibration_is_bce(states, items):
    negatives = torch.tensor([[1, 2], [5, 5], [4, 6]])
    plain = binary_cross_entropy(states, TARGETS, items, negatives)
    assert torch.equal(
        generalised_binary_cross_entropy(states, TARGETS, items, negatives, t=0.0, n_items=N_ITEMS), plain
    )


def test_gbce_with_full_calibration_weighs_the_target_by_the_sampling_rate(states, items):
    # t = 1: beta = alpha = K / (N - 1), here 1 / 5.
    negatives = torch.tensor([[2], [2], [2]])
    plain = binary_cross_entropy(states, TARGETS, items, negatives)
    whole = generalised_binary_cross_entropy(states, TARGETS, items, negatives, t=1.0, n_items=N_ITEMS)
    positive = torch.nn.functional.logsigmoid((states * items[TARGETS]).sum(dim=1))
    torch.testing.assert_close(plain - whole, -(1 - 1 / 5) * positive / 2)


def test_the_padding_row_gets_no_gradient(states, items):
    items.requires_grad_()
    log_q = log_popularity(COUNTS)
    drawn = uniform_negatives(TARGETS, 3, N_ITEMS)
    losses = [
        full_cross_entropy(states, TARGETS, items, 0.1),
        sampled_cross_entropy(states, TARGETS, items, shared_negatives(log_q, 5), log_q),
        binary_cross_entropy(states, TARGETS, items, drawn),
    ]
    gradient = torch.autograd.grad(torch.cat(losses).sum(), items)[0]
    assert (gradient[0] == 0).all()
    assert (gradient[1:].abs().sum(dim=1) > 0).all()


def test_losses_stay_finite_and_exact_for_large_scores():
    states, items = torch.tensor([[200.0]]), torch.tensor([[0.0], [1.0], [-1.0]])
    wrong, right = torch.tensor([2]), torch.tensor([1])
    assert full_cross_entropy(states, wrong, items).item() == pytest.approx(400)
    assert binary_cross_entropy(states, wrong, items, right[:, None]).item() == pytest.approx((200 + 200) / 2)
    assert binary_cross_entropy(states, right, items, wrong[:, None]).item() == 0


def test_under_bfloat16_losses_are_float32(states, items):
    with torch.autocast("cpu", torch.bfloat16):
        losses = full_cross_entropy(states, TARGETS, items)
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses, full_cross_entropy(states, TARGETS, items), atol=0.05, rtol=0.05)


def test_uniform_negatives_are_every_item_but_the_target_equally_often():
    torch.manual_seed(0)
    drawn = uniform_negatives(torch.tensor([1, 4, 6]), 50_000, N_ITEMS)
    for row, target in zip(drawn, (1, 4, 6), strict=True):
        shares = torch.bincount(row, minlength=N_ITEMS + 1) / 50_000
        assert shares[0] == shares[target] == 0
        others = [item for item in range(1, N_ITEMS + 1) if item != target]
        torch.testing.assert_close(shares[others], torch.full((5,), 0.2), atol=0.01, rtol=0)


def test_shared_negatives_follow_log_popularity():
    torch.manual_seed(0)
    log_q = log_popularity(COUNTS)
    weights = 1 + (1 + COUNTS[1:].double()).log()
    torch.testing.assert_close(log_q[1:].exp().double(), weights / weights.sum())
    shares = torch.bincount(shared_negatives(log_q, 100_000), minlength=N_ITEMS + 1) / 100_000
    torch.testing.assert_close(shares, log_q.exp(), atol=0.01, rtol=0)


def test_one_item_has_no_negatives():
    with pytest.raises(InputError, match=r"a catalogue of 1 item\(s\) has no negatives; use loss=ce"):
        uniform_negatives(torch.tensor([1]), 2, 1)
