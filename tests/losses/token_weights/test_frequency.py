"""Frequency weights: the paper's numbers, counting, and the two normalisations."""

import pytest
import torch

from tigerlite.config import ConfigError, InputError
from tigerlite.losses.token_weights.frequency import (
    FrequencyConfig,
    code_counts,
    effective_number,
    fitted_beta,
    frequency_weights,
)

COUNTS = torch.tensor([[2000, 1000, 500, 50]])
CODES = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
TARGETS = torch.tensor([6, 3, 1, 0])


@pytest.mark.parametrize(
    ("beta", "expected"),
    [
        (0.9, [0.9987, 0.9987, 0.9987, 1.0039]),
        (0.99, [0.7222, 0.7223, 0.7270, 1.8285]),
        (0.997, [0.3815, 0.4004, 0.4896, 2.7285]),
        (0.999, [0.1795, 0.2455, 0.3943, 3.1808]),
    ],
)
def test_weights_of_a_sequence_saturate_with_the_count(beta, expected):
    weights = frequency_weights(COUNTS, beta, normalise="sequence", targets=torch.ones(1))
    torch.testing.assert_close(weights[0], torch.tensor(expected, dtype=torch.float64), atol=5e-5, rtol=0)


def test_the_effective_number_is_a_geometric_sum():
    for n in (1, 2, 7):
        assert float(effective_number(torch.tensor(n), 0.8)) == pytest.approx(sum(0.8**power for power in range(n)))


def test_an_unseen_code_weighs_like_one_seen_once():
    assert effective_number(torch.tensor([0, 1]), 0.99).tolist() == [1.0, 1.0]


def test_codes_are_counted_per_level():
    assert code_counts(CODES, TARGETS).tolist() == [[9, 7], [9, 3], [1, 7], [1, 3]]


def test_corpus_weights_have_mean_one_over_the_targets_of_a_level_and_prefer_rare_items():
    weights = frequency_weights(code_counts(CODES, TARGETS), 0.9, normalise="corpus", targets=TARGETS)
    means = (weights * TARGETS[:, None] / TARGETS.sum()).sum(dim=0)
    torch.testing.assert_close(means, torch.ones(2, dtype=torch.float64))
    assert weights[2].mean() > weights[1].mean() > weights[0].mean()


def test_sequence_weights_have_mean_one_for_every_item():
    weights = frequency_weights(code_counts(CODES, TARGETS), 0.9, normalise="sequence", targets=TARGETS)
    torch.testing.assert_close(weights.mean(dim=1), torch.ones(4, dtype=torch.float64))


def test_the_fitted_beta_puts_the_median_code_at_the_bend():
    # Codes occur 9, 1, 7 and 3 times; the lower median is 3.
    assert fitted_beta(CODES, code_counts(CODES, TARGETS)) == pytest.approx(1 - 1 / 3)


def test_counts_that_name_no_beta_are_refused():
    with pytest.raises(InputError, match=r"half of the codes occur 1 times, which names no beta; set frequency\.beta"):
        fitted_beta(CODES, torch.ones(4, 2, dtype=torch.int64))


def test_a_corpus_without_targets_is_refused():
    with pytest.raises(InputError, match="there is no training target to normalise over; use normalise=sequence"):
        frequency_weights(COUNTS, 0.9, normalise="corpus", targets=torch.zeros(1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beta": 1.0}, r"beta=1\.0 is out of range; allowed: a number in \(0, 1\), or null"),
        ({"beta": 0.0}, r"beta=0\.0 is out of range"),
        ({"counts": "target"}, "did you mean 'targets'"),
        ({"normalise": "batch"}, "allowed: sequence, corpus"),
        ({"per_item": True}, "normalise='sequence' is out of range; allowed: corpus with per_item=true"),
        ({"per_item": True, "normalise": "corpus", "counts": "items"}, "counts='items' is out of range"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        FrequencyConfig(**changes)
