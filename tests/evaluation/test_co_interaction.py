"""Prefix hits: against loops, repeats left out, and chance where identifiers are dealt at random."""

import numpy as np
import pytest

from tests.reference import prefixes
from tigerlite.evaluation.co_interaction import PrefixHits, prefix_hits, recent_items


def toy(n_users=60, n_items=50, seed=0):
    generator = np.random.default_rng(seed)
    sequences = [generator.integers(1, n_items + 1, generator.integers(1, 12)).tolist() for _ in range(n_users)]
    offsets = np.concatenate([[0], np.cumsum([len(sequence) for sequence in sequences])])
    codes = np.stack([generator.integers(0, size, n_items) for size in (4, 3, 3, 2)], axis=1)
    return codes, sequences, np.concatenate(sequences), offsets


@pytest.mark.parametrize("window", [1, 5])
def test_rates_equal_looking_at_one_event_at_a_time(window):
    codes, sequences, items, offsets = toy()
    found = prefix_hits(codes, items, offsets, window=window)
    assert len(found) == 3
    for length, hits in enumerate(found, start=1):
        assert hits.rate == pytest.approx(prefixes.prefix_hit_rate(codes, sequences, length, window))


def test_recent_items_stop_at_the_start_of_a_user():
    recent, places = recent_items(np.array([5, 6, 7, 8, 9]), np.array([0, 3, 5]), 2)
    assert places.tolist() == [1, 2, 4]
    assert recent.tolist() == [[5, 0], [6, 5], [8, 0]]


def test_a_user_without_events_is_passed_over():
    recent, places = recent_items(np.array([5, 6]), np.array([0, 0, 2, 2]), 2)
    assert (recent.tolist(), places.tolist()) == ([[5, 0]], [1])


def test_a_repeat_is_no_hit():
    hits = prefix_hits(np.array([[0], [1]]), np.array([1, 2, 1, 2]), np.array([0, 4]))
    assert hits[0].rate == 0  # only 1 -> 2 counts


def test_users_who_stay_within_a_code_hit_far_more_often_than_by_chance():
    generator = np.random.default_rng(0)
    codes = np.repeat(np.arange(10), 20)[:, None]
    items = np.concatenate([generator.permutation(20)[:6] + 20 * generator.integers(0, 10) + 1 for _ in range(100)])
    (hits,) = prefix_hits(codes, items, np.arange(0, 601, 6))
    assert hits.rate == 1
    assert hits.chance == pytest.approx(1 - 0.9 ** np.arange(1, 6).mean(), abs=0.12)
    assert hits.lift > 2


def test_random_identifiers_hit_as_often_as_by_chance():
    _, _, items, offsets = toy(n_users=500)
    codes = np.random.default_rng(5).integers(0, 4, (50, 1))
    (hits,) = prefix_hits(codes, items, offsets, n_permutations=20)
    assert hits.rate == pytest.approx(hits.chance, abs=0.03)


def test_nothing_is_found_where_nobody_has_a_next_item():
    assert prefix_hits(np.array([[0], [1]]), np.array([1, 2]), np.array([0, 1, 2])) == []


def test_lift_of_what_never_happens_by_chance():
    assert PrefixHits(0.2, 0.0).lift == float("inf")
    assert PrefixHits(0.0, 0.0).lift == 1
