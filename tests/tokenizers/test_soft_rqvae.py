"""The soft RQ-VAE: its size, its file, and that codes are read at the temperature that is stored."""

import json

import pytest
import torch

from tigerlite.config import ConfigError, InputError
from tigerlite.tokenizers.saved import load_tokenizer
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE
from tigerlite.tokenizers.soft_rqvae_config import SoftRQVAEConfig

SMALL = SoftRQVAEConfig(hidden_sizes=(8,), latent=4, codebook_sizes=(6, 5))


def small(**changes) -> SoftRQVAE:
    torch.manual_seed(1)
    return SoftRQVAE(SoftRQVAEConfig(**{**SMALL.__dict__, **changes}), 7)


def test_the_published_network_has_the_published_number_of_weights():
    tokenizer = SoftRQVAE(SoftRQVAEConfig(), 768)
    sizes = [sum(w.numel() for w in part.parameters()) for part in (tokenizer.encoder, tokenizer.decoder)]
    assert sizes == [568_288, 569_024]
    assert sum(vectors.numel() for vectors in tokenizer.quantizer.codebooks) == 24_576


def test_a_saved_tokenizer_encodes_alike_at_its_own_temperature(tmp_path):
    tokenizer, embeddings = small(), torch.randn(40, 7)
    tokenizer.initialise(tokenizer.normalise(embeddings))
    tokenizer.quantizer.set_temperature(0.123)
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert isinstance(loaded, SoftRQVAE)
    assert loaded.temperature == pytest.approx(0.123)
    assert torch.equal(loaded.encode(embeddings), tokenizer.encode(embeddings))
    assert json.loads((tmp_path / "tokenizer.json").read_text())["kind"] == "soft_rqvae"


def test_k_means_starts_every_level_where_items_are():
    tokenizer, embeddings = small(tau_max=1e-4, tau_min=1e-4), torch.randn(60, 7)
    tokenizer.initialise(tokenizer.normalise(embeddings))
    codes = tokenizer.encode(embeddings)
    assert [len(codes[:, level].unique()) for level in (0, 1)] == [6, 5]


@pytest.mark.parametrize("normalise", ["unit", "standardise", "none"])
def test_inputs_are_what_the_config_says(normalise):
    tokenizer, embeddings = small(normalise=normalise), 3 * torch.randn(30, 7) + 1
    if normalise == "standardise":
        tokenizer.standardisation.load_state_dict(type(tokenizer.standardisation).fit(embeddings).state_dict())
    inputs = tokenizer.normalise(embeddings)
    if normalise == "unit":
        torch.testing.assert_close(inputs.norm(dim=1), torch.ones(30))
    elif normalise == "standardise":
        torch.testing.assert_close(inputs.var(dim=0).mean(), torch.tensor(1.0))
    else:
        assert torch.equal(inputs, embeddings)


def test_a_folder_without_a_tokenizer_says_so(tmp_path):
    with pytest.raises(InputError, match="holds no soft RQ-VAE"):
        SoftRQVAE.load(tmp_path)


def test_embeddings_of_another_width_are_refused():
    with pytest.raises(InputError, match=r"this tokenizer takes \(N, 7\)"):
        small().encode(torch.randn(3, 5))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tau_min": 0.0}, "tau_min=0.0 is out of range; allowed: a number > 0"),
        ({"tau_max": 1e-4}, "tau_max=0.0001 is out of range; allowed: a number >= tau_min=0.0007"),
        ({"schedule": "linaer"}, "did you mean 'linear'"),
        ({"anneal_per": "batch"}, "allowed: step, epoch"),
        ({"normalise": "l2"}, "allowed: unit, standardise, none"),
        ({"codebook_sizes": ()}, "at least one level"),
        ({"epochs": 0}, "epochs=0 is out of range"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        small(**changes)
