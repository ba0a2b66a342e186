"""The fast search for free paths equals the slow one, item for item, wherever the catalogue is full or has ties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import free_paths as reference
from tigerlite.config import InputError
from tigerlite.tokenizers.collisions import first_free, nearest_free, random_free
from tigerlite.tokenizers.free_paths import FreePaths, group_paths

SIZES = [(3, 4, 6), (2, 2, 40), (50,), (4, 30)]


def crowded(sizes, n_items=46, seed=0, width=3):
    """Items that crowd into few paths, so that levels run full; two codes of every level share a vector."""
    generator = np.random.default_rng(seed)
    codebooks = [generator.normal(size=(size, width)) for size in sizes]
    for codebook in codebooks:
        codebook[-1] = codebook[0]
    codes = np.stack([generator.integers(0, (size + 2) // 3, n_items) for size in sizes], axis=1)
    return codes, generator.normal(size=(n_items, width)), codebooks


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sizes", SIZES)
def test_nearest_free_equals_the_slow_search(sizes, seed):
    codes, latents, codebooks = crowded(sizes, seed=seed)
    found = nearest_free(codes, sizes, latents=latents, codebooks=codebooks)
    np.testing.assert_array_equal(found.codes, reference.nearest_free(codes, sizes, latents, codebooks))
    assert len(np.unique(found.codes, axis=0)) == len(codes)


@pytest.mark.parametrize("sizes", SIZES)
def test_random_free_draws_what_the_slow_search_draws(sizes):
    codes, _, _ = crowded(sizes)
    found = random_free(codes, sizes, generator=np.random.default_rng(5))
    expected = reference.random_free(codes, sizes, np.random.default_rng(5))
    np.testing.assert_array_equal(found.codes, expected)


@pytest.mark.parametrize("sizes", [(2, 2, 40), (50,), (4, 30)])
def test_first_free_equals_the_scan(sizes):
    codes, _, _ = crowded(sizes)
    np.testing.assert_array_equal(first_free(codes, sizes).codes, reference.first_free(codes, sizes))


def test_first_free_on_the_published_example():
    # A, B and D have one path; C has the code that a scan that forgets later items would give to B.
    codes = np.array([[7, 7, 7, 0], [7, 7, 7, 0], [7, 7, 7, 1], [7, 7, 7, 0]])
    assert first_free(codes, (8, 8, 8, 8)).codes[:, -1].tolist() == [0, 2, 1, 3]


def test_first_free_scans_the_level_before_when_the_last_is_full_and_each_item_starts_at_the_last():
    codes = np.array([[0, 0], [0, 1], [0, 0], [1, 0], [1, 0]])
    # Item 3 finds level 2 of prefix 0 full and (1, 0) held, so it gets (2, 0); item 5 finds (1, 1) at its last level.
    assert first_free(codes, (3, 2)).codes.tolist() == [[0, 0], [0, 1], [2, 0], [1, 0], [1, 1]]


def test_first_free_changes_two_levels_where_one_is_not_enough():
    # (0, *) and (*, 0) are all held; one code alone cannot be changed.
    codes = np.array([[0, 0], [0, 1], [1, 0], [0, 0]])
    assert first_free(codes, (2, 2)).codes.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=27))
def test_any_catalogue_that_fits_gets_unique_paths_and_first_holders_stay(paths):
    codes = np.array(paths)
    first = group_paths(codes, (3, 3, 3)).first
    for resolve in (first_free, lambda c, s: random_free(c, s, generator=np.random.default_rng(0))):
        found = resolve(codes, (3, 3, 3)).codes
        assert len(np.unique(found, axis=0)) == len(codes)
        np.testing.assert_array_equal(found[first], codes[first])


def test_more_items_than_paths_are_refused():
    with pytest.raises(InputError, match=r"5 items do not fit into 4 code paths of levels \[2, 2\]; use larger"):
        FreePaths(np.array([[0, 0]]), (2, 2), n_items=5)


def test_codes_that_no_item_had_are_the_last_choice():
    infinite = np.array([[0.0], [np.inf], [9.0], [np.inf]])
    found = nearest_free(np.zeros((4, 1), int), (4,), latents=np.zeros((4, 1)), codebooks=[infinite])
    assert found.codes.ravel().tolist() == [0, 2, 1, 3]
