"""Random identifiers: distinct where there is room, even, spread over all codes, and repeated only where they must be."""

import numpy as np
import pytest

from tigerlite.evaluation.codes import level_health
from tigerlite.tokenizers.random import RandomConfig, RandomTokenizer


def codes(n_items, sizes, seed=0) -> np.ndarray:
    return RandomTokenizer(RandomConfig(codebook_sizes=sizes, seed=seed)).encode(np.empty((n_items, 0))).numpy()


@pytest.mark.parametrize(
    ("n_items", "sizes"), [(3000, (16, 16, 16)), (2000, (64, 64)), (4096, (16, 16, 16)), (9, (9,))]
)
def test_no_two_items_collide_while_there_are_paths(n_items, sizes):
    found = codes(n_items, sizes)
    assert len(np.unique(found, axis=0)) == n_items
    assert (found < np.array(sizes)).all()


@pytest.mark.parametrize("n_items", [1000, 3000])
def test_codes_are_spread_and_tell_nothing_of_the_order_of_the_items(n_items):
    found = codes(n_items, (16, 16, 16))
    for level in range(3):
        assert level_health(found[:, level], 16).perplexity > 15.5
        assert abs(np.corrcoef(found[:, level], np.arange(n_items))[0, 1]) < 0.1


def test_more_items_than_paths_repeat_every_path_about_equally_often():
    _, counts = np.unique(codes(25, (3, 4)), axis=0, return_counts=True)
    assert sorted(counts) == [2] * 11 + [3]


def test_paths_beyond_64_bits_are_drawn():
    assert len(np.unique(codes(500, (256,) * 12), axis=0)) == 500
