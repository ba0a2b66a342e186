"""PCA with whitening: equals scikit-learn's, is reproducible, and refuses more directions than there are."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from tigerlite.config import InputError
from tigerlite.tokenizers.whitening import Standardisation, Whitening


def correlated(n_items=300, n_dimensions=20, rank=20, seed=0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    mixed = generator.normal(size=(n_items, rank)) @ generator.normal(size=(rank, n_dimensions))
    return (mixed + 3).astype(np.float32)


def test_whitening_equals_scikit_learn_up_to_signs():
    embeddings = correlated()
    expected = PCA(8, whiten=True, svd_solver="full").fit_transform(embeddings.astype(np.float64))
    found = Whitening.fit(embeddings, 8)(torch.from_numpy(embeddings)).numpy()
    signs = np.sign((expected * found).sum(axis=0))
    np.testing.assert_allclose(found, expected * signs, atol=2e-4)


def test_fitted_items_have_identity_covariance_and_zero_mean():
    embeddings = correlated()
    white = Whitening.fit(embeddings, 20)(torch.from_numpy(embeddings))
    torch.testing.assert_close(white.T.cov(), torch.eye(20), atol=2e-3, rtol=0)
    torch.testing.assert_close(white.mean(dim=0), torch.zeros(20), atol=1e-3, rtol=0)


def test_the_largest_entry_of_every_direction_is_positive():
    components = Whitening.fit(correlated(), 8).components
    assert (components.gather(0, components.abs().argmax(dim=0, keepdim=True)) > 0).all()


def test_a_new_item_is_whitened_with_the_statistics_of_the_fit():
    embeddings = correlated()
    fitted = Whitening.fit(embeddings[:-1], 5)
    restored = Whitening(20, 5)
    restored.load_state_dict(fitted.state_dict())
    new = torch.from_numpy(embeddings[-1:])
    expected = (new - torch.from_numpy(embeddings[:-1].mean(axis=0))) @ fitted.components
    torch.testing.assert_close(restored(new), expected, atol=1e-4, rtol=1e-4)


def test_standardisation_centres_and_keeps_ratios_of_distances():
    embeddings = torch.from_numpy(correlated())
    standard = Standardisation.fit(embeddings)(embeddings)
    torch.testing.assert_close(standard.mean(dim=0), torch.zeros(20), atol=1e-5, rtol=0)
    assert standard.var(dim=0).mean() == pytest.approx(1, abs=1e-4)
    before, after = torch.pdist(embeddings), torch.pdist(standard)
    torch.testing.assert_close(after / after[0], before / before[0], atol=1e-3, rtol=1e-3)


def test_identical_or_single_items_are_left_at_zero():
    for n_items in (1, 3):
        embeddings = torch.full((n_items, 4), 7.0)
        assert torch.equal(Standardisation.fit(embeddings)(embeddings), torch.zeros(n_items, 4))


@pytest.mark.parametrize(
    ("embeddings", "n_components", "rank"),
    [(correlated(rank=6), 7, 6), (correlated(n_items=5), 5, 4), (np.ones((10, 4), np.float32), 1, 0)],
)
def test_more_components_than_directions_are_refused(embeddings, n_components, rank):
    message = f"tokenize.rqvae.whiten={n_components}, but .* span only {rank} directions; set it to at most {rank}"
    with pytest.raises(InputError, match=message):
        Whitening.fit(embeddings, n_components)
    if rank:
        Whitening.fit(embeddings, rank)
