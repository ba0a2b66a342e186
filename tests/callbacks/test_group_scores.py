"""From scores to probabilities: constants do not matter, caps hold, noise is told from signal."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tigerlite.callbacks.group_scores import (
    cumulative,
    distance_from_uniform,
    noise_p_value,
    probabilities,
    standardised,
    validation_weights,
)
from tigerlite.config import InputError

SCORES = torch.tensor([0.12, 0.10, 0.15, 0.11], dtype=torch.float64)


def test_a_constant_added_to_all_scores_changes_nothing():
    expected = probabilities(SCORES, 0.1)
    torch.testing.assert_close(probabilities(SCORES + 7.5, 0.1), expected)
    torch.testing.assert_close(probabilities(standardised(SCORES + 7.5), 0.5), probabilities(standardised(SCORES), 0.5))


def test_scores_of_the_papers_size_leave_p_uniform_at_its_temperatures():
    scores = 0.12 + 0.004 * torch.randn(25, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert distance_from_uniform(probabilities(scores, 1.0)) < 0.003
    assert distance_from_uniform(probabilities(standardised(scores), 1.0)) > 0.1


def test_large_scores_do_not_overflow():
    assert probabilities(torch.tensor([0.0, 1e6]), 1e-3).tolist() == [0.0, 1.0]


@given(
    scores=st.lists(st.floats(-50, 50), min_size=2, max_size=8),
    cap=st.floats(1, 6),
    tau=st.floats(0.05, 10),
)
def test_no_probability_passes_the_cap_and_they_sum_to_one(scores, cap, tau):
    found = probabilities(torch.tensor(scores), tau, cap)
    assert float(found.sum()) == pytest.approx(1)
    assert (found <= cap / len(scores) * (1 + 1e-9)).all()
    order = torch.tensor(scores).argsort()
    assert (found[order].diff() >= -1e-9).all()


def test_a_cap_of_one_is_uniform_and_none_changes_nothing():
    torch.testing.assert_close(probabilities(SCORES, 0.01, cap=1.0), torch.full((4,), 0.25, dtype=torch.float64))
    assert torch.equal(probabilities(SCORES, 0.1, cap=4.0), probabilities(SCORES, 0.1))


def test_distance_from_uniform_is_half_the_sum_of_differences():
    assert distance_from_uniform(torch.tensor([0.5, 0.3, 0.1, 0.1])) == pytest.approx((0.25 + 0.05 + 0.15 + 0.15) / 2)


def test_history_is_an_average_in_the_released_code_and_a_sum_in_the_article():
    history = [(0.546, torch.tensor([1.0, 2.0])), (0.454, torch.tensor([3.0, 0.0]))]
    torch.testing.assert_close(cumulative(history, normalised=True), torch.tensor([0.546 + 0.454 * 3, 0.546 * 2]))
    doubled = [(2 * rate, scores) for rate, scores in history]
    torch.testing.assert_close(cumulative(doubled, normalised=True), cumulative(history, normalised=True))
    torch.testing.assert_close(cumulative(doubled, normalised=False), 2 * cumulative(history, normalised=False))


def test_equal_scores_standardise_to_zero():
    assert standardised(torch.full((3,), 0.7)).tolist() == [0.0, 0.0, 0.0]


def test_validation_groups_weigh_all_others_or_the_central():
    assert validation_weights("all", 4, 1)[2].tolist() == [0.25] * 4
    assert validation_weights("others", 3, 1)[1].tolist() == [0.5, 0.0, 0.5]
    assert validation_weights("central", 4, 2)[3].tolist() == [0.5, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_an_influence_that_is_not_finite_is_one_line(wrong):
    with pytest.raises(InputError, match=r"influence of members \[1\] is not finite; .* lower the learning rate"):
        probabilities(torch.tensor([1.0, wrong, 2.0]), 1.0)


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(InputError, match=r"tau=0.0 is out of range; allowed: a number > 0"):
        probabilities(SCORES, 0.0)


def test_noise_is_called_noise_as_often_as_promised_and_signal_signal():
    generator = torch.Generator().manual_seed(0)
    shared = 5 * torch.randn(20, 1, generator=generator)  # what a shard's users do to all members alike
    noise = [shared + torch.randn(20, 6, generator=generator) for _ in range(200)]
    false_alarms = sum(noise_p_value(shards, seed=number) < 0.05 for number, shards in enumerate(noise))
    assert 2 <= false_alarms <= 22  # 10 expected
    signal = noise[0] + torch.linspace(-1, 1, 6)
    assert noise_p_value(signal) < 0.01
    assert noise_p_value(signal[:1]) == 1.0
