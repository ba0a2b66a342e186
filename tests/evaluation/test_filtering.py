"""Filter ratio: hand-worked, the slow definition, and the ratios of LETTER's published identifiers."""

import json
import re

import numpy as np
import pytest

from tests.reference.prefix_entropy import slow_filter_ratio
from tigerlite.evaluation.filtering import filter_ratio, plot_filter_ratio, prefix_groups


def test_groups_tell_items_by_their_first_codes():
    groups = prefix_groups(np.array([[2, 0], [1, 0], [2, 0], [2, 5]]))
    assert [len(np.unique(numbers)) for numbers in groups] == [1, 2, 3]
    assert groups[2][0] == groups[2][2] != groups[2][3]


def test_hand_worked_ratios():
    first, second = filter_ratio(np.array([[0, 0], [0, 1], [0, 1], [1, 0]]))
    assert first.by_items == pytest.approx((3 * (1 - 3 / 4) + (1 - 1 / 4)) / 4)
    assert first.by_prefixes == pytest.approx(((1 - 3 / 4) + (1 - 1 / 4)) / 2)
    assert second.by_items == pytest.approx(((1 - 1 / 3) + 2 * (1 - 2 / 3) + 0) / 4)
    assert second.by_prefixes == pytest.approx(((1 - 1 / 3) + (1 - 2 / 3) + 0) / 3)


def test_the_first_layer_by_prefixes_is_one_less_one_over_the_codes_in_use():
    codes = np.random.default_rng(0).integers(0, 16, (400, 2))
    assert filter_ratio(codes)[0].by_prefixes == pytest.approx(1 - 1 / 16)


@pytest.mark.parametrize("seed", range(3))
def test_ratios_equal_the_slow_definition(seed):
    codes = np.random.default_rng(seed).integers(0, 4, (60, 4))
    for level, found in enumerate(filter_ratio(codes), start=1):
        assert (found.by_items, found.by_prefixes) == pytest.approx(slow_filter_ratio(codes.tolist(), level))


@pytest.mark.parametrize(
    ("name", "by_items", "by_prefixes"),
    [
        ("yelp", [99.55, 97.89, 16.9, 0.4], [99.61, 98.39, 17.1, 0.3]),
        ("instruments", [98.12, 97.79, 30.5, 2.9], [99.33, 97.76, 30.3, 2.9]),
    ],
)
def test_published_identifiers_have_the_known_ratios(test_data, name, by_items, by_prefixes):
    index = json.loads((test_data / name / "index.json").read_text())
    codes = np.array([[int(re.sub(r"\D", "", token)) for token in path] for path in index.values()])
    found = filter_ratio(codes)
    assert [100 * level.by_items for level in found] == pytest.approx(by_items, abs=0.06)
    assert [100 * level.by_prefixes for level in found] == pytest.approx(by_prefixes, abs=0.06)


def test_the_plot_has_two_bars_per_code_with_their_percentages():
    levels = filter_ratio(np.array([[0, 0], [0, 1], [0, 1], [1, 0]]))
    (axes,) = plot_filter_ratio(levels).axes
    assert [bar.get_height() for bar in axes.patches] == [
        *(level.by_items for level in levels),
        *(level.by_prefixes for level in levels),
    ]
    assert [text.get_text() for text in axes.texts] == ["37.5", "33.3", "50.0", "33.3"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["code 1", "code 2"]
