"""Which codes are near: the fast order of first choices against all distances sorted, digits, and parts of a catalogue."""

import numpy as np
import pytest

from tigerlite.tokenizers.space import AdditiveSpace, DigitSpace, SelectedSpace, flat_space

SIZES = (7, 5)


@pytest.fixture
def space() -> AdditiveSpace:
    generator = np.random.default_rng(0)
    return AdditiveSpace(generator.normal(size=(30, 4)), [generator.normal(size=(size, 4)) for size in SIZES])


def test_distances_are_those_of_what_the_prefix_leaves():
    generator = np.random.default_rng(1)
    latents, books = generator.normal(size=(6, 3)), [generator.normal(size=(size, 3)) for size in SIZES]
    items, prefixes = np.array([4, 0]), np.array([[2], [6]])
    found = AdditiveSpace(latents, books).distances(items, prefixes)
    for row, (item, (code,)) in enumerate(zip(items, prefixes, strict=True)):
        for other in range(SIZES[1]):
            expected = ((latents[item] - books[0][code] - books[1][other]) ** 2).sum()
            assert found[row, other] == pytest.approx(expected)


@pytest.mark.parametrize("n_choices", [1, 3, 7, 20])
def test_first_choices_are_the_distances_sorted(space, n_choices):
    rows, none = np.arange(30), np.empty((30, 0), dtype=np.int64)
    expected = np.argsort(space.distances(rows, none), axis=1, kind="stable")
    found = space.first_choices(rows, none, n_choices)
    # The farthest code has none after it that it could be told from.
    assert found.shape[1] == min(n_choices, SIZES[0] - 1)
    np.testing.assert_array_equal(found, expected[:, : found.shape[1]])


def test_an_order_that_rounding_decides_is_not_claimed():
    equal = AdditiveSpace(np.zeros((1, 2)), [np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 0.0]])])
    assert equal.first_choices(np.array([0]), np.empty((1, 0), dtype=np.int64), 2).tolist() == [[-1, -1]]


def test_a_code_never_used_is_infinitely_far_and_no_choice():
    book = np.array([[np.inf, np.inf], [1.0, 0.0], [3.0, 0.0], [6.0, 0.0]])
    space = AdditiveSpace(np.zeros((1, 2)), [book])
    rows, none = np.array([0]), np.empty((1, 0), dtype=np.int64)
    assert space.distances(rows, none).tolist() == [[np.inf, 1.0, 9.0, 36.0]]
    assert space.first_choices(rows, none, 2).tolist() == [[1, 2]]


def test_lower_digits_are_nearer_whatever_the_item(space):
    digits = DigitSpace(space, n_levels=2, n_digits=3)
    rows, paths = np.array([5, 9]), np.array([[0, 1], [6, 4]])
    assert digits.distances(rows, paths).tolist() == [[0, 1, 2]] * 2
    assert digits.first_choices(rows, paths, 2).tolist() == [[0, 1]] * 2
    np.testing.assert_array_equal(digits.distances(rows, paths[:, :1]), space.distances(rows, paths[:, :1]))


def test_selected_items_are_those_of_the_whole(space):
    some = SelectedSpace(space, np.array([20, 3]))
    prefixes = np.array([[1], [2]])
    np.testing.assert_array_equal(
        some.distances(np.array([0, 1]), prefixes), space.distances(np.array([20, 3]), prefixes)
    )
    np.testing.assert_array_equal(
        some.first_choices(np.array([1]), prefixes[1:], 2), space.first_choices(np.array([3]), prefixes[1:], 2)
    )


def test_in_a_flat_space_no_code_is_nearer():
    flat = flat_space(2, SIZES)
    assert flat.distances(np.array([0, 1]), np.array([[3], [0]])).tolist() == [[0.0] * 5] * 2
    assert (flat.first_choices(np.array([0]), np.array([[3]]), 2) == -1).all()
