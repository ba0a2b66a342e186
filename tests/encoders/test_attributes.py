"""Attribute embeddings against scikit-learn, against arithmetic, and their determinism."""

import numpy as np
import pytest

from tigerlite.config import ConfigError, InputError
from tigerlite.encoders.attributes import AttributesConfig, encode_attributes


@pytest.fixture
def catalogue():
    """Three hundred items with 1 to 6 of 40 attributes, some frequent, some rare."""
    generator = np.random.default_rng(3)
    weights = 1 / np.arange(1, 41)
    names = np.array([f"genre {number:02d}" for number in range(40)])
    sizes = generator.integers(1, 7, 300)
    return [generator.choice(names, size, replace=False, p=weights / weights.sum()).tolist() for size in sizes]


def multi_hot(catalogue):
    names = sorted({name for item in catalogue for name in item})
    return np.array([[float(name in item) for name in names] for item in catalogue])


# 8 goes through the iterative solver, 40 and 100 through the exact one
@pytest.mark.parametrize("dimensions", [8, 40, 100])
def test_embeddings_equal_scikit_learn_up_to_sign(catalogue, dimensions):
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer

    weighted = TfidfTransformer().fit_transform(multi_hot(catalogue))
    expected = TruncatedSVD(
        min(dimensions, 40), algorithm="arpack" if dimensions == 8 else "randomized", random_state=0
    )
    expected = expected.fit_transform(weighted)
    embeddings = encode_attributes(catalogue, AttributesConfig(dimensions=dimensions))
    assert embeddings.shape == expected.shape
    signs = np.sign((embeddings * expected).sum(axis=0))
    np.testing.assert_allclose(embeddings, expected * signs, atol=1e-5)


def test_all_dimensions_keep_the_inner_products_of_the_tf_idf_rows(catalogue):
    from sklearn.feature_extraction.text import TfidfTransformer

    weighted = TfidfTransformer().fit_transform(multi_hot(catalogue)).toarray()
    embeddings = encode_attributes(catalogue, AttributesConfig(dimensions=40))
    np.testing.assert_allclose(embeddings @ embeddings.T, weighted @ weighted.T, atol=1e-5)


def test_two_items_by_hand():
    # idf of "b", on both items: ln(3/3) + 1 = 1; of "a" and "c", on one: ln(3/2) + 1
    rare = np.log(3 / 2) + 1
    cosine = 1 / (1 + rare**2)
    embeddings = encode_attributes([["a", "b"], ["b", "c", "b"]], AttributesConfig(dimensions=5))
    np.testing.assert_allclose(embeddings @ embeddings.T, [[1, cosine], [cosine, 1]], atol=1e-6)


@pytest.mark.parametrize("dimensions", [8, 40])
def test_result_is_the_same_bit_for_bit_and_does_not_depend_on_the_order_within_an_item(catalogue, dimensions):
    config = AttributesConfig(dimensions=dimensions)
    shuffled = [item[::-1] for item in catalogue]
    np.testing.assert_array_equal(encode_attributes(catalogue, config), encode_attributes(shuffled, config))


def test_columns_beyond_the_rank_are_left_out():
    # "a" and "b" always occur together, so the table of 4 columns has rank 3
    catalogue = [["a", "b"], ["c"], ["d"], ["a", "b", "c"], ["c", "d"], ["d"]]
    assert encode_attributes(catalogue, AttributesConfig(dimensions=4)).shape == (6, 3)


def test_an_item_without_attributes_is_zero_and_the_others_do_not_notice_it():
    catalogue = [["a"], [], ["b"], ["a", "b"]]
    embeddings = encode_attributes(catalogue, AttributesConfig(dimensions=2))
    np.testing.assert_array_equal(embeddings[1], 0)
    np.testing.assert_allclose(np.linalg.norm(embeddings[[0, 2, 3]], axis=1), 1, atol=1e-6)


def test_rare_attributes_are_dropped():
    catalogue = [["a", "rare"], ["a"], ["b"], ["b", "seldom"]]
    embeddings = encode_attributes(catalogue, AttributesConfig(min_count=2))
    np.testing.assert_array_equal(embeddings, encode_attributes([["a"], ["a"], ["b"], ["b"]], AttributesConfig()))


def test_no_attribute_left_is_refused():
    with pytest.raises(
        InputError, match=r"none of the 2 attributes of 2 items is carried by attributes.min_count=2 items"
    ):
        encode_attributes([["a"], ["b"]], AttributesConfig(min_count=2))


@pytest.mark.parametrize("field", ["dimensions", "min_count"])
def test_values_out_of_range_are_refused(field):
    with pytest.raises(ConfigError, match=rf"{field}=0 is out of range; allowed: an integer >= 1"):
        AttributesConfig(**{field: 0})
