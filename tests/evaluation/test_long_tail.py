"""Groups by training frequency, counted by hand; the picture shows the groups' numbers."""

import numpy as np
import pytest

from tigerlite.config import InputError
from tigerlite.evaluation.long_tail import frequency_groups, plot_frequency_groups
from tigerlite.evaluation.significance import compare_users

COUNTS = np.array([0, 0, 19, 20, 39, 40, 500])
TARGETS = np.array([1, 2, 2, 3, 4, 5, 6, 6])
VALUES = np.array([1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0])
BASELINE = np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0])


def test_bounds_belong_to_the_group_above_and_the_last_group_has_no_end():
    groups = frequency_groups(VALUES, BASELINE, TARGETS, COUNTS, n_groups=3)
    assert [group.name for group in groups] == ["[0, 20)", "[20, 40)", "[40, ∞)"]
    assert [(group.n_users, group.n_items) for group in groups] == [(3, 2), (2, 2), (3, 2)]
    assert [group.value for group in groups] == [2 / 3, 1.0, 2 / 3]
    assert [group.baseline for group in groups] == [1 / 3, 1 / 2, 1 / 3]
    assert [group.improvement for group in groups] == pytest.approx([1.0, 1.0, 1.0])


def test_groups_without_users_are_left_out_and_the_interval_is_that_of_the_paired_test():
    groups = frequency_groups(VALUES, BASELINE, TARGETS, COUNTS, n_groups=100)
    assert [group.low for group in groups] == [0, 20, 40, 500]
    found = compare_users(VALUES[:3], BASELINE[:3])
    assert groups[0].interval == (found.low, found.high)
    assert np.isnan(groups[2].interval).all()  # a single user
    assert np.isnan(groups[2].improvement)  # over nothing


def test_groups_of_no_width_are_refused():
    with pytest.raises(InputError, match="width=0 and n_groups=5 must be integers >= 1"):
        frequency_groups(VALUES, BASELINE, TARGETS, COUNTS, width=0)


def test_the_picture_has_users_as_bars_and_improvement_in_percent_as_line():
    figure = plot_frequency_groups(frequency_groups(VALUES, BASELINE, TARGETS, COUNTS, n_groups=3), "recall@10")
    bars, line = figure.axes
    assert [bar.get_height() for bar in bars.patches] == [3, 2, 3]
    assert list(line.get_lines()[0].get_ydata()) == pytest.approx([100.0, 100.0, 100.0])
    assert line.get_ylabel() == "recall@10 against the baseline, %"
