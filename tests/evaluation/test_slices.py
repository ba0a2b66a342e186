"""Slices by popularity: hand-made splits, the slow definitions, shares that add up."""

import numpy as np
import pytest

from tests.reference.popularity_slices import slow_decile_shares, slow_head_of_items, slow_head_of_users
from tigerlite.evaluation.ranking import summarise
from tigerlite.evaluation.slices import (
    decile_shares,
    head_of_items,
    head_of_users,
    head_tail,
    label_and_prediction_deciles,
    plot_deciles,
    plot_head_tail,
    popularity_deciles,
)

COUNTS = np.array([0, 9, 4, 4, 1, 0])
TARGETS = np.array([1, 1, 1, 2, 3, 4])


def test_the_rarer_half_of_the_distinct_targets_is_the_tail():
    # Rarest first: 4 (1), 2 (4), 3 (4), 1 (9); the tie of 2 and 3 goes by id. Item 5 is nobody's target.
    assert head_of_items(COUNTS, TARGETS).tolist() == [True, True, True, False, True, False]


def test_an_odd_item_in_the_middle_is_head():
    assert head_of_items(COUNTS, np.array([1, 2, 4])).tolist() == [True, True, False]


def test_the_tail_by_users_is_the_rarest_items_with_at_most_half_of_the_users():
    # 4, 2 and 3 are the targets of three of six users.
    assert head_of_users(COUNTS, TARGETS).tolist() == [True, True, True, False, False, False]
    assert head_of_users(COUNTS, TARGETS[:5]).tolist() == [True, True, True, False, False]
    assert head_of_users(COUNTS, np.array([1, 1, 1])).all()


@pytest.mark.parametrize("seed", range(5))
def test_splits_and_deciles_equal_the_slow_definitions(seed):
    rng = np.random.default_rng(seed)
    counts = np.concatenate([[0], rng.geometric(0.2, 37) - 1])
    targets = rng.integers(1, 38, 60)
    lists = rng.integers(0, 38, (60, 5))
    assert head_of_items(counts, targets).tolist() == slow_head_of_items(counts.tolist(), targets.tolist())
    assert head_of_users(counts, targets).tolist() == slow_head_of_users(counts.tolist(), targets.tolist())
    slow = slow_decile_shares(counts.tolist(), lists.flatten().tolist())
    assert decile_shares(popularity_deciles(counts), lists) == pytest.approx(slow)


def test_head_and_tail_metrics_are_those_of_their_users():
    ranks = np.array([1, 0, 2, 1, 0, 3])
    found = head_tail({"tiger": ranks}, TARGETS, COUNTS)["half of the items"]
    assert (found["head"]["n_users"], found["head"]["n_items"]) == (4, 2)
    assert (found["tail"]["n_users"], found["tail"]["n_items"]) == (2, 2)
    assert found["head"]["metrics"]["tiger"] == summarise(ranks[[0, 1, 2, 4]])
    assert found["tail"]["metrics"]["tiger"] == summarise(ranks[[3, 5]])


def test_a_side_without_users_has_no_metrics():
    found = head_tail({"tiger": np.array([1, 1])}, np.array([1, 1]), COUNTS)["half of the users"]
    assert found["tail"] == {"n_users": 0, "n_items": 0, "metrics": {}}


def test_every_decile_holds_a_tenth_of_the_items_and_ties_go_by_id():
    deciles = popularity_deciles(np.array([0, *[5] * 20, *range(6, 26)]))
    assert np.bincount(deciles).tolist() == [1] + [4] * 10
    assert deciles[1:5].tolist() == [1, 1, 1, 1]
    assert deciles[[20, 21, 40]].tolist() == [5, 6, 10]


def test_a_catalogue_of_fewer_than_ten_items_spreads_over_the_deciles():
    assert popularity_deciles(np.array([0, 3, 2, 1])).tolist() == [0, 7, 4, 1]


def test_labels_and_first_recommendations_are_counted_apart():
    counts = np.array([0, *range(1, 11)])
    found = label_and_prediction_deciles({"tiger": np.array([[10, 1], [10, 0]])}, np.array([1, 2]), counts)
    assert found["labels"] == [1 / 2, 1 / 2, *[0] * 8]
    assert found["methods"]["tiger"] == {"top-1": [*[0] * 9, 1], "top-10": [1 / 3, *[0] * 8, 2 / 3]}


def test_lists_without_items_have_empty_shares():
    assert decile_shares(popularity_deciles(COUNTS), np.zeros((2, 3), dtype=int)) == [0] * 10


def test_the_plots_show_the_files_numbers():
    ranks = {"tiger": np.array([1, 0, 2, 1, 0, 3]), "popularity": np.array([1, 1, 1, 0, 0, 0])}
    splits = head_tail(ranks, TARGETS, COUNTS)
    figure = plot_head_tail(splits, metric="ndcg@5")
    assert [axes.get_title() for axes in figure.axes] == ["split at half of the items", "split at half of the users"]
    sides = splits["half of the items"]
    expected = [sides[side]["metrics"][name]["ndcg@5"] for name in ("popularity", "tiger") for side in ("head", "tail")]
    assert [bar.get_height() for bar in figure.axes[0].patches] == expected
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["head\n4 users, 2 items", "tail\n2 users, 2 items"]

    found = label_and_prediction_deciles({"tiger": np.array([[1, 2]])}, TARGETS, COUNTS)
    first, ten = plot_deciles(found).axes
    assert [bar.get_height() for bar in first.patches] == found["labels"]
    assert first.get_lines()[0].get_ydata().tolist() == found["methods"]["tiger"]["top-1"]
    assert ten.get_lines()[0].get_ydata().tolist() == found["methods"]["tiger"]["top-10"]
    assert (first.get_title(), ten.get_title()) == ("first recommended", "first 10 recommended")
