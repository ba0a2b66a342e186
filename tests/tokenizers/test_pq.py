"""Product quantisation: segments are independent, equal faiss's arithmetic, and have to divide the dimensions."""

import numpy as np
import pytest

from tigerlite.config import InputError
from tigerlite.tokenizers.kmeans import kmeans
from tigerlite.tokenizers.pq import PQConfig, fit


def items(n_items=300, width=12, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_items, width)).astype(np.float32)


def test_a_code_depends_on_its_own_segment_alone():
    tokenizer = fit(items(), PQConfig(codebook_sizes=(8, 5, 6)))
    changed = items()
    changed[:, 4:8] = items(seed=1)[:, 4:8]
    before, after = tokenizer.encode(items()).numpy(), tokenizer.encode(changed).numpy()
    np.testing.assert_array_equal(before[:, [0, 2]], after[:, [0, 2]])
    assert (before[:, 1] != after[:, 1]).mean() > 0.5


def test_every_segment_has_the_codes_of_its_own_k_means():
    tokenizer = fit(items(), PQConfig(codebook_sizes=(8, 5, 6), standardise=False, seed=3))
    codes = tokenizer.encode(items()).numpy()
    for level, size in enumerate((8, 5, 6)):
        segment = items()[:, 4 * level : 4 * level + 4]
        centroids = kmeans(segment, size, seed=3 + level)
        distances = np.square(segment[:, None] - centroids[None]).sum(axis=2)
        np.testing.assert_array_equal(codes[:, level], distances.argmin(axis=1))


def test_codes_equal_those_of_a_faiss_quantizer_with_the_same_centroids():
    import faiss

    tokenizer = fit(items(), PQConfig(codebook_sizes=(16,) * 3, standardise=False))
    judge = faiss.ProductQuantizer(12, 3, 4)
    centroids = np.stack([vectors.numpy() for vectors in tokenizer.vectors])
    faiss.copy_array_to_vector(centroids.ravel(), judge.centroids)
    packed = faiss.unpack_bitstrings(judge.compute_codes(items()), 3, 4)
    np.testing.assert_array_equal(tokenizer.encode(items()).numpy(), packed)


@pytest.mark.parametrize(("settings", "n_columns"), [({}, 12), ({"whiten": 6}, 6)])
def test_dimensions_that_do_not_divide_are_refused_with_the_remedy(settings, n_columns):
    with pytest.raises(
        InputError,
        match=rf"{n_columns} dimensions do not divide into the 5 segments of tokenize.pq.codebook_sizes; set "
        r"tokenize.pq.whiten to a multiple of 5",
    ):
        fit(items(), PQConfig(codebook_sizes=(4,) * 5, **settings))
