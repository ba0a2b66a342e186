"""IGD: gains equal those of a walk over the tree, weights have mean one, calibration is within siblings."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.token_weights import information_gain as slow_gain
from tigerlite.config import ConfigError
from tigerlite.losses.token_weights.igd import IGDConfig, igd_calibration, igd_weights, information_gain

CODES = torch.tensor([[0, 0], [0, 1], [1, 0]])


@given(st.integers(0, 10_000), st.sampled_from(["catalogue", "prefix"]))
def test_gains_are_those_of_a_walk_over_the_tree(seed, entropy):
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 3, (9, 3), generator=generator).unique(dim=0)
    counts = torch.randint(0, 4, (len(codes),), generator=generator)
    counts[0] += 1
    slow = slow_gain([tuple(path) for path in codes.tolist()], counts.tolist(), entropy)
    found = information_gain(codes, counts, entropy=entropy)
    torch.testing.assert_close(found, torch.tensor(slow, dtype=torch.float64), atol=1e-9, rtol=1e-9)


def test_the_only_way_on_gains_nothing_and_a_fork_does():
    for entropy in ("catalogue", "prefix"):
        gain = information_gain(CODES, torch.tensor([2, 1, 5]), entropy=entropy)
        assert gain[2, 1] == 0
        assert (gain[:2, 1] > 0).all()


def test_weights_have_mean_one_over_the_training_targets_with_the_end_among_them():
    gain, targets = information_gain(CODES, torch.tensor([2, 1, 5])), torch.tensor([2, 1, 5])
    weights = igd_weights(gain, 0.1, targets=targets, n_ends=1)
    raw = torch.tensor([[1, 1, 0.1], [1, 1, 0.1], [1, 0.1, 0.1]], dtype=torch.float64)
    mean = (3 * 2.1 + 5 * 1.2) / (8 * 3)
    torch.testing.assert_close(weights, raw / mean)


def test_calibration_spans_its_range_among_siblings_and_leaves_equals_alone():
    gain = torch.tensor([[0.9, 0.2], [0.9, 0.6], [0.3, 0.0]], dtype=torch.float64)
    expected = [[1 - 0.2, 1.0], [1 - 0.2, 1 - 0.2], [1.0, 1.0]]
    assert igd_calibration(CODES, gain, 0.2).tolist() == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beta": -0.1}, "beta=-0.1 is out of range"),
        ({"alpha": 1.0}, r"alpha=1\.0 is out of range; allowed: a number in \[0, 1\)"),
        ({"entropy": "global"}, "allowed: catalogue, prefix"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        IGDConfig(**changes)
