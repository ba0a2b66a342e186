"""Next-code entropy: against loops, a planted chain with a known entropy, and nothing where there is nothing to know."""

import math
from itertools import pairwise

import numpy as np
import pytest

from tests.reference import prefixes
from tigerlite.evaluation.next_code import HELD_OUT, next_code_entropy


def walks(n_users: int, length: int, n_items: int, jump: float, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Walks around a circle of items that jump anywhere with some probability."""
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(n_users):
        item = int(generator.integers(n_items))
        for _ in range(length):
            rows.append(item + 1)
            item = int(generator.integers(n_items)) if generator.random() < jump else (item + 1) % n_items
    return np.array(rows), np.arange(0, n_users * length + 1, length)


def test_cross_entropies_equal_counting_one_pair_at_a_time():
    generator = np.random.default_rng(1)
    codes = np.stack([generator.integers(0, size, 30) for size in (4, 3, 5, 2)], axis=1)
    items, offsets = walks(40, 6, 30, jump=0.4)
    scored = np.random.default_rng(7).random(40) < HELD_OUT
    sequences = [items[start:end].tolist() for start, end in pairwise(offsets)]
    found = next_code_entropy(codes, items, offsets, seed=7)
    assert len(found) == 3
    for level, code in enumerate(found):
        expected = prefixes.next_code(codes, sequences, scored, level)
        assert (code.entropy, code.without_history) == pytest.approx(expected)


def test_a_chain_of_four_codes_has_the_entropy_of_its_jumps():
    items, offsets = walks(2000, 10, 4, jump=0.2)
    (code,) = next_code_entropy(np.arange(4)[:, None], items, offsets)
    forward, other = (0.8 + 0.2 / 4) / 0.95, 0.2 / 4 / 0.95  # one pair in 20 is a repeat and left out
    assert code.entropy == pytest.approx(-forward * math.log(forward) - 2 * other * math.log(other), abs=0.03)
    assert code.without_history == pytest.approx(math.log(4), abs=0.01)
    assert code.information == code.without_history - code.entropy


def test_codes_dealt_at_random_tell_nothing():
    items, offsets = walks(2000, 10, 100, jump=1.0)
    first, second = next_code_entropy(np.random.default_rng(0).integers(0, 8, (100, 2)), items, offsets)
    assert abs(first.information) < 0.02
    assert -0.1 < second.information < 0.02  # counts of 512 contexts cost a little and bring nothing


def test_one_code_for_all_has_no_entropy():
    items, offsets = walks(50, 5, 10, jump=0.5)
    (code,) = next_code_entropy(np.zeros((10, 1), dtype=int), items, offsets)
    assert code.entropy == pytest.approx(0)


def test_nothing_is_found_without_pairs_on_both_sides():
    assert next_code_entropy(np.array([[0], [1]]), np.array([1, 2]), np.array([0, 1, 2])) == []
    assert next_code_entropy(np.array([[0], [1]]), np.array([1, 2]), np.array([0, 2])) == []
