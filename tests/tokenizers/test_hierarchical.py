"""Hierarchical k-means: prefixes are nested clusters, small parents leave codes empty, siblings are found by distance."""

import numpy as np

from tigerlite.tokenizers.collisions import nearest_free_in
from tigerlite.tokenizers.hierarchical import HierarchicalConfig, fit


def nested(seed=0) -> np.ndarray:
    """4 groups far apart, 3 groups in each, 5 items in each of those."""
    generator = np.random.default_rng(seed)
    top = 100 * generator.normal(size=(4, 1, 1, 3))
    middle = 10 * generator.normal(size=(4, 3, 1, 3))
    return (top + middle + 0.1 * generator.normal(size=(4, 3, 5, 3))).reshape(60, 3).astype(np.float32)


def test_prefixes_are_the_nested_groups():
    codes = fit(nested(), HierarchicalConfig(codebook_sizes=(4, 3, 5))).encode(nested()).numpy().reshape(4, 3, 5, 3)
    assert len({int(code) for code in codes[..., 0].ravel()}) == 4
    for top in codes:
        assert len(np.unique(top[..., 0])) == 1
        for middle in top:
            assert len(np.unique(middle[..., 1])) == 1
            assert sorted(middle[:, 2]) == list(range(5))  # each item is its own child


def test_a_parent_with_fewer_items_than_codes_leaves_the_others_empty_and_then_has_single_paths():
    tokenizer = fit(nested(), HierarchicalConfig(codebook_sizes=(4, 3, 32, 32)))
    codes = tokenizer.encode(nested()).numpy()
    assert set(codes[:, 2]) == set(range(5))
    assert set(codes[:, 3]) == {0}
    assert len(np.unique(codes, axis=0)) == 60


def test_distances_below_a_prefix_without_items_are_infinite():
    tokenizer = fit(nested(), HierarchicalConfig(codebook_sizes=(4, 3, 32)))
    space = tokenizer.space(nested())
    distances = space.distances(np.array([0]), tokenizer.encode(nested()).numpy()[:1, :2])[0]
    assert np.isfinite(distances[:5]).all()
    assert np.isinf(distances[5:]).all()
    assert np.isinf(space.distances(np.array([0]), np.array([[0, 31]]))).all()


def test_a_duplicate_takes_the_lowest_code_without_a_child_where_every_child_has_an_item():
    rows = nested()
    rows[1] = rows[0]
    tokenizer = fit(rows, HierarchicalConfig(codebook_sizes=(4, 3, 8)))
    codes = tokenizer.encode(rows).numpy()
    found = nearest_free_in(codes, (4, 3, 8), tokenizer.space(rows)).codes
    np.testing.assert_array_equal(np.delete(found, 1, axis=0), np.delete(codes, 1, axis=0))
    assert found[1].tolist() == [*codes[1, :2], 4]
