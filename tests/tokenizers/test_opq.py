"""Optimised product quantisation: the rotation is one, it helps where segments are correlated, sizes are faiss's."""

import numpy as np
import pytest
import torch

from tigerlite.config import ConfigError, InputError
from tigerlite.tokenizers.opq import OPQConfig, fit
from tigerlite.tokenizers.pq import PQConfig
from tigerlite.tokenizers.pq import fit as fit_pq


def correlated(n_items=800, width=12, seed=0) -> np.ndarray:
    """Most of the spread lies in two directions across all columns."""
    generator = np.random.default_rng(seed)
    scales = np.array([9.0, 7.0] + [0.5] * (width - 2))
    turned = np.linalg.qr(generator.normal(size=(width, width)))[0]
    return (generator.normal(size=(n_items, width)) * scales @ turned).astype(np.float32)


def error(tokenizer, rows) -> float:
    codes, latents = tokenizer.encode(rows).numpy(), tokenizer.latents(rows).numpy()
    explained = sum(vectors[codes[:, level]] for level, vectors in enumerate(tokenizer.codebooks))
    return float(np.square(latents - explained).mean())


def test_the_rotation_is_orthogonal_and_lowers_the_error():
    sizes = (16, 16, 16)
    tokenizer = fit(correlated(), OPQConfig(codebook_sizes=sizes, rotations=20))
    torch.testing.assert_close(tokenizer.rotation @ tokenizer.rotation.T, torch.eye(12), atol=1e-4, rtol=0)
    plain = fit_pq(correlated(), PQConfig(codebook_sizes=sizes))
    assert error(tokenizer, correlated()) < 0.7 * error(plain, correlated())


@pytest.mark.parametrize("sizes", [(16, 8), (12, 12), (1, 1)])
def test_sizes_that_faiss_cannot_have_are_refused(sizes):
    with pytest.raises(ConfigError, match=r"cannot be rotated; allowed: one power of two, at least 2, for all levels"):
        OPQConfig(codebook_sizes=sizes)


def test_dimensions_that_do_not_divide_are_refused():
    with pytest.raises(
        InputError, match="12 dimensions do not divide into the 5 segments of tokenize.opq.codebook_sizes"
    ):
        fit(correlated(), OPQConfig(codebook_sizes=(4,) * 5))


def test_no_rotation_is_refused():
    with pytest.raises(ConfigError, match="rotations=0 is out of range; allowed: an integer >= 1"):
        OPQConfig(rotations=0)
