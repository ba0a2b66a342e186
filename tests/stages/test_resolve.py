"""Codes become unique identifiers: those of late items after all others', which keep what they had without them."""

import numpy as np
import pytest

from tigerlite.config import InputError
from tigerlite.stages.resolve import Coded, resolve
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.tokenizers.collisions import COLLISIONS
from tigerlite.tokenizers.space import AdditiveSpace

SIZES = (4, 6)
UNIQUE = [name for name in COLLISIONS if name != "none"]


@pytest.fixture
def coded() -> Coded:
    """20 items on 24 paths, most of them sharing theirs."""
    generator = np.random.default_rng(0)
    books = [generator.normal(size=(size, 3)) for size in SIZES]
    codes = np.stack([generator.integers(0, 3, 20), generator.integers(0, 3, 20)], axis=1)
    latents = books[0][codes[:, 0]] + books[1][codes[:, 1]] + 0.1 * generator.normal(size=(20, 3))
    return Coded(codes, SIZES, AdditiveSpace(latents, books))


def late(*rows: int) -> np.ndarray:
    return np.isin(np.arange(20), rows)


@pytest.mark.parametrize("collisions", UNIQUE)
def test_every_way_gives_every_item_a_path_of_its_own(coded, collisions):
    found = resolve(TokenizeConfig(collisions=collisions), coded, late(2, 11, 19))
    assert len(np.unique(found.codes, axis=0)) == 20
    assert (found.codes < np.array(found.codebook_sizes)).all()


@pytest.mark.parametrize("collisions", UNIQUE)
def test_late_items_change_nothing_for_the_others(coded, collisions):
    config, rows = TokenizeConfig(collisions=collisions), late(2, 11, 19)
    without = resolve(config, coded.of(np.flatnonzero(~rows)))
    np.testing.assert_array_equal(resolve(config, coded, rows).codes[~rows], without.codes)


def test_a_late_item_takes_the_nearest_free_path():
    space = AdditiveSpace(np.array([[2.4], [0.0], [2.4]]), [np.array([[0.0], [9.0]]), np.array([[0.0], [1.0], [2.0]])])
    codes = np.array([[0, 2], [0, 0], [0, 2]])
    found = resolve(
        TokenizeConfig(collisions="nearest_free"), Coded(codes, (2, 3), space), np.array([True, False, False])
    )
    assert found.codes.tolist() == [[0, 1], [0, 0], [0, 2]]  # item 1 came first in the catalogue, and yields


def test_an_item_for_which_no_digit_is_left_gets_a_path_with_one(coded, caplog):
    largest = np.unique(coded.codes, axis=0, return_counts=True)[1].max()
    assert largest > 3
    found = resolve(TokenizeConfig(collisions="rank_digit", max_digits=3), coded)
    assert found.codebook_sizes[:2] == SIZES
    assert found.codes[:, 2].max() < 3
    assert len(np.unique(found.codes, axis=0)) == 20
    moved = (found.codes[:, :2] != coded.codes).any(axis=1).sum()
    assert f"{moved} items get other codes" in caplog.text


def test_late_items_without_embeddings_take_the_lowest_free_path(coded):
    bare = Coded(np.zeros((3, 2), dtype=np.int64), SIZES, None)
    found = resolve(TokenizeConfig(collisions="first_free"), bare, np.array([False, True, True]))
    assert found.codes.tolist() == [[0, 0], [0, 1], [0, 2]]


def test_shared_paths_stay_shared_where_nothing_is_resolved(coded):
    found = resolve(TokenizeConfig(collisions="none"), coded, late(2))
    np.testing.assert_array_equal(found.codes, coded.codes)


def test_more_late_items_than_free_paths_are_refused():
    full = Coded(np.zeros((7, 2), dtype=np.int64), (2, 3), None)
    with pytest.raises(InputError, match="7 items"):
        resolve(TokenizeConfig(collisions="first_free"), full, np.array([False] * 5 + [True] * 2))
