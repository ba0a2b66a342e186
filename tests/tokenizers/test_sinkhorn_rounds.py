"""Sinkhorn rounds: the balanced assignment equals its recipe, groups spread, identical items take first free codes."""

import numpy as np
import pytest
import torch

from tigerlite.config import ConfigError
from tigerlite.tokenizers.collisions import first_free
from tigerlite.tokenizers.sinkhorn import balanced_codes
from tigerlite.tokenizers.sinkhorn_rounds import SinkhornConfig, sinkhorn_rounds
from tigerlite.tokenizers.space import AdditiveSpace


def spread_groups(distances, *, epsilon, iterations):
    return balanced_codes(torch.from_numpy(distances), epsilon=epsilon, n_iterations=iterations).numpy()


def recipe(distances, epsilon, iterations):
    """One batch, multiplied and divided as it is written down."""
    middle = (distances.max() + distances.min()) / 2
    scaled = (distances - middle) / (distances.max() - middle + 1e-5)
    weights = np.exp(-scaled / epsilon)
    weights /= weights.sum()
    for _ in range(iterations):
        weights /= weights.sum(axis=1, keepdims=True) * len(weights)
        weights /= weights.sum(axis=0, keepdims=True) * weights.shape[1]
    return weights.argmax(axis=1)


@pytest.mark.parametrize(("epsilon", "iterations"), [(0.01, 100), (0.003, 50), (0.5, 3)])
def test_spread_groups_equal_the_recipe_batch_by_batch(epsilon, iterations):
    distances = np.random.default_rng(0).random((5, 7, 16))
    found = spread_groups(distances, epsilon=epsilon, iterations=iterations)
    np.testing.assert_array_equal(found, [recipe(batch, epsilon, iterations) for batch in distances])


def test_a_tiny_epsilon_does_not_overflow():
    distances = np.random.default_rng(0).random((6, 4))
    with np.errstate(over="raise"):
        found = spread_groups(distances, epsilon=1e-5, iterations=5)
    assert set(found) <= set(range(4))


def test_codes_at_infinity_are_never_used():
    distances = np.random.default_rng(0).random((6, 4))
    distances[:, 1] = np.inf
    found = spread_groups(distances, epsilon=0.05, iterations=20)
    assert 1 not in found
    np.testing.assert_array_equal(
        found, np.array([0, 2, 3])[spread_groups(distances[:, [0, 2, 3]], epsilon=0.05, iterations=20)]
    )


def line(latents, n_codes=12):
    """Items on a line under one first code; code d of the last level lies at d."""
    codes = np.zeros((len(latents), 2), dtype=np.int64)
    return (
        codes,
        (1, n_codes),
        AdditiveSpace(np.array(latents)[:, None], [np.zeros((1, 1)), np.arange(n_codes)[:, None]]),
    )


def test_a_group_spreads_at_the_last_level_and_its_first_item_moves_too():
    codes, sizes, space = line([0.32, 0.31, 0.30])
    found = sinkhorn_rounds(codes, sizes, space, SinkhornConfig())
    assert len(np.unique(found.codes, axis=0)) == 3
    assert (found.n_distinct, found.n_duplicates, found.largest_group) == (1, 2, 3)
    first = spread_groups(space.distances(np.arange(3), codes[:, :1]), epsilon=0.01, iterations=100)
    assert found.codes[:, 1].tolist() == first.tolist()
    assert first[0] != 0


def test_identical_items_stay_where_they_are_and_take_first_free_codes():
    codes, sizes, space = line([4.0, 4.0, 5.0, 4.0])
    codes[:, 1] = [4, 4, 5, 4]
    found = sinkhorn_rounds(codes, sizes, space, SinkhornConfig())
    np.testing.assert_array_equal(found.codes, first_free(codes, sizes).codes)
    assert found.codes[0].tolist() == [0, 4]


def test_identical_items_beside_another_move_together():
    codes, sizes, space = line([4.0, 4.0, 4.4])
    codes[:, 1] = 4
    moved = spread_groups(space.distances(np.arange(3), codes[:, :1]), epsilon=0.01, iterations=100)
    assert moved[0] == moved[1] != moved[2]
    codes[:, 1] = moved  # then two are left, which stay
    found = sinkhorn_rounds(line([4.0, 4.0, 4.4])[0] + [0, 4], sizes, space, SinkhornConfig())
    np.testing.assert_array_equal(found.codes, first_free(codes, sizes).codes)


def test_unique_codes_are_left_alone():
    codes, sizes, space = line([0.0, 1.0])
    codes[1, 1] = 1
    np.testing.assert_array_equal(sinkhorn_rounds(codes, sizes, space, SinkhornConfig()).codes, codes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rounds": 0}, "rounds=0 is out of range; allowed: an integer >= 1"),
        ({"epsilon": 0.0}, "epsilon=0.0 is out of range; allowed: a number > 0"),
        ({"iterations": 0}, "iterations=0 is out of range"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        SinkhornConfig(**settings)
