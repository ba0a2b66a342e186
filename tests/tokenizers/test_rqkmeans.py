"""Residual k-means: codes equal the loop, error falls level by level, balance holds, also for new items."""

import numpy as np
import pytest

from tests.reference.residual_quantization import quantize
from tigerlite.evaluation.codes import level_health
from tigerlite.tokenizers.rqkmeans import RQKMeansConfig, fit


def items(n_items=600, width=8, seed=0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    mixed = generator.normal(size=(n_items, width)) * np.linspace(3, 0.3, width)
    return (mixed + 5).astype(np.float32)


@pytest.mark.parametrize("balanced", [False, True])
def test_codes_equal_residual_quantisation_as_a_loop(balanced):
    tokenizer = fit(items(), RQKMeansConfig(codebook_sizes=(6, 10, 4), balanced=balanced))
    expected = quantize(tokenizer.latents(items()).numpy(), tokenizer.codebooks)
    assert (tokenizer.encode(items()).numpy() == expected).mean() > 0.999


def test_every_level_lowers_the_error():
    errors = []
    for n_levels in (1, 2, 3):
        tokenizer = fit(items(), RQKMeansConfig(codebook_sizes=(16,) * n_levels))
        codes, latents = tokenizer.encode(items()).numpy(), tokenizer.latents(items()).numpy()
        explained = sum(vectors[codes[:, level]] for level, vectors in enumerate(tokenizer.codebooks))
        errors.append(float(np.square(latents - explained).mean()))
    assert errors[0] > 1.5 * errors[1] > 1.5**2 * errors[2]


def test_a_code_is_the_mean_of_its_items():
    tokenizer = fit(items(), RQKMeansConfig(codebook_sizes=(6,), iterations=200))
    codes, latents = tokenizer.encode(items()).numpy()[:, 0], tokenizer.latents(items()).numpy()
    means = np.stack([latents[codes == code].mean(axis=0) for code in range(6)])
    np.testing.assert_allclose(means, tokenizer.codebooks[0], atol=1e-2)


def test_balanced_levels_are_used_about_evenly_where_plain_ones_are_not():
    rows = np.concatenate([items(500), 30 + 20 * items(100, seed=1)])
    shares = {}
    for balanced in (False, True):
        codes = fit(rows, RQKMeansConfig(codebook_sizes=(20, 20), balanced=balanced)).encode(rows).numpy()
        shares[balanced] = [level_health(codes[:, level], 20).perplexity / 20 for level in range(2)]
        if balanced:
            assert np.bincount(codes[:, 0]).max() <= 1.5 * 600 / 20
    assert min(shares[True]) > 0.97
    assert shares[False][0] < 0.9


def test_new_items_of_the_same_kind_are_spread_too():
    tokenizer = fit(items(2000), RQKMeansConfig(codebook_sizes=(16,), balanced=True))
    new = tokenizer.encode(items(2000, seed=9)).numpy()[:, 0]
    assert level_health(new, 16).perplexity > 0.95 * 16
