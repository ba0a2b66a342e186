"""The filter ratio: hand-worked, against loops, and the figures of published identifiers."""

import json

import numpy as np
import pytest

from tests.reference import prefixes
from tigerlite.evaluation.filtering import filter_ratio, plot_filter_ratio
from tigerlite.evaluation.prefix_groups import prefix_groups


def random_codes(n_items=300, sizes=(7, 5, 6), seed=0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.stack([generator.geometric(0.3, n_items) % size for size in sizes], axis=1)


def test_prefix_groups_number_prefixes_in_their_order():
    codes = random_codes()
    for length, groups in enumerate(prefix_groups(codes)):
        paths = sorted({tuple(path[:length]) for path in codes.tolist()})
        assert [paths[group] for group in groups.tolist()] == [tuple(path[:length]) for path in codes.tolist()]


def test_filter_ratio_equals_counting_one_prefix_at_a_time():
    codes = random_codes()
    for level, ratio in enumerate(filter_ratio(codes), start=1):
        assert (ratio.by_items, ratio.by_prefixes) == pytest.approx(prefixes.filter_ratio(codes, level))


def test_three_items_with_one_code_and_one_with_another():
    (ratio,) = filter_ratio(np.array([[0], [0], [0], [1]]))
    assert ratio.by_items == pytest.approx(1 - (3 / 4 * 3 / 4 + 1 / 4 * 1 / 4))  # 1 - sum p^2
    assert ratio.by_prefixes == pytest.approx(1 - 1 / 2)  # 1 - 1 / codes in use
    assert ratio.remaining == pytest.approx((3 * 3 + 1) / 4)


def test_hand_worked_ratios():
    first, second = filter_ratio(np.array([[0, 0], [0, 1], [0, 1], [1, 0]]))
    assert first.by_items == pytest.approx((3 * (1 - 3 / 4) + (1 - 1 / 4)) / 4)
    assert first.by_prefixes == pytest.approx(((1 - 3 / 4) + (1 - 1 / 4)) / 2)
    assert second.by_items == pytest.approx(((1 - 1 / 3) + 2 * (1 - 2 / 3) + 0) / 4)
    assert second.by_prefixes == pytest.approx(((1 - 1 / 3) + (1 - 2 / 3) + 0) / 3)


@pytest.mark.parametrize(
    ("name", "by_items", "by_prefixes"),
    [
        ("instruments", (98.12, 97.79, 30.5, 2.9), (99.33, 97.76, 30.3, 2.9)),
        ("yelp", (99.55, 97.89, 16.9, 0.4), (99.61, 98.39, 17.1, 0.3)),
    ],
)
def test_published_identifiers_have_known_filter_ratios(test_data, name, by_items, by_prefixes):
    index = json.loads((test_data / name / "index.json").read_text())
    codes = np.array([[int(token.strip("<>").split("_")[1]) for token in path] for path in index.values()])
    found = filter_ratio(codes)
    assert [100 * ratio.by_items for ratio in found] == pytest.approx(by_items, abs=0.06)
    assert [100 * ratio.by_prefixes for ratio in found] == pytest.approx(by_prefixes, abs=0.06)


def test_the_plot_has_two_bars_per_code_with_their_percentages():
    levels = filter_ratio(np.array([[0, 0], [0, 1], [0, 1], [1, 0]]))
    (axes,) = plot_filter_ratio(levels).axes
    assert [bar.get_height() for bar in axes.patches] == [
        *(level.by_items for level in levels),
        *(level.by_prefixes for level in levels),
    ]
    assert [text.get_text() for text in axes.texts] == ["37.5", "33.3", "50.0", "33.3"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["code 1", "code 2"]
