"""Purity gain: hand-worked prefixes, the slow definition, gains that add up to certainty."""

import math

import numpy as np
import pytest

from tests.reference.prefix_entropy import slow_purity_gain
from tigerlite.evaluation.purity import plot_purity_gain, prefix_purity, purity_gain


def test_purity_is_one_for_one_item_and_zero_for_items_alike():
    assert prefix_purity(np.array([0, 1, 1]), np.array([7, 2, 2])) == pytest.approx([1, 0])
    assert prefix_purity(np.array([0, 0, 0]), np.array([5, 0, 0])) == pytest.approx([1])


def test_hand_worked_purity():
    entropy = -(3 / 4 * math.log(3 / 4) + 1 / 4 * math.log(1 / 4))
    assert prefix_purity(np.zeros(3, dtype=int), np.array([3, 1, 0])) == pytest.approx([1 - entropy / math.log(3)])


def test_items_that_never_occur_are_taken_as_equally_frequent():
    assert prefix_purity(np.array([0, 0]), np.array([0, 0])) == pytest.approx([0])


def test_a_gain_may_be_negative():
    # One of three items has nearly all: pure. The two that the first code keeps are alike: not pure.
    levels = purity_gain(np.array([[0, 0], [1, 0], [1, 1]]), np.array([100, 1, 1]))
    assert levels[0].gains[1] < 0 < levels[0].gains[0]


@pytest.mark.parametrize("seed", range(3))
def test_gains_equal_the_slow_definition(seed):
    rng = np.random.default_rng(seed)
    codes, frequencies = rng.integers(0, 5, (50, 3)), rng.geometric(0.3, 50) - 1
    for number, level in enumerate(purity_gain(codes, frequencies), start=1):
        means, by_prefixes, by_items = slow_purity_gain(codes.tolist(), frequencies.tolist(), number)
        in_use = np.flatnonzero(~np.isnan(level.gains))
        assert in_use.tolist() == sorted(means)
        assert level.gains[in_use] == pytest.approx([means[code] for code in in_use])
        assert (level.by_prefixes, level.by_items) == pytest.approx((by_prefixes, by_items))


def test_the_gains_of_unique_identifiers_add_up_to_what_the_catalogue_lacks():
    codes = np.stack(np.unravel_index(np.arange(27), (3, 3, 3)), axis=1)
    frequencies = np.random.default_rng(0).integers(1, 9, 27)
    catalogue = prefix_purity(np.zeros(27, dtype=int), frequencies)[0]
    assert sum(level.by_items for level in purity_gain(codes, frequencies)) == pytest.approx(1 - catalogue)


def test_a_code_that_no_item_has_has_no_gain():
    (level,) = purity_gain(np.array([[0], [2]]), np.array([1, 1]))
    assert np.isnan(level.gains).tolist() == [False, True, False]


def test_the_plot_has_a_sorted_panel_per_level_with_its_mean():
    levels = purity_gain(np.array([[0, 0], [2, 0], [2, 1]]), np.array([4, 1, 3]))
    first, second = plot_purity_gain(levels).axes
    heights = [bar.get_height() for bar in first.patches]
    assert heights == sorted(heights, reverse=True)
    assert len(heights) == 2  # codes 0 and 2; nobody has code 1
    assert first.get_lines()[0].get_ydata()[0] == levels[0].by_prefixes
    assert second.get_title() == f"code 2: mean {levels[1].by_prefixes:.2f}"
