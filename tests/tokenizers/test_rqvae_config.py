"""Options of the RQ-VAE act when set, and name no other result when they are off."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from tigerlite.config import ConfigError, fingerprint
from tigerlite.stages.trainer import build_trainer, fit
from tigerlite.tokenizers.rqvae import RQVAE
from tigerlite.tokenizers.rqvae_config import RQVAEConfig

SMALL = {"hidden_sizes": (32,), "latent": 8, "codebook_sizes": (8, 8), "batch_size": 60, "lr": 1e-2}
OPTIONS = {
    "rotation": {"assignment": "rotation"},
    "gumbel": {"assignment": "gumbel", "temperature": 0.3, "codebook": "gradient"},
    "sinkhorn": {"sinkhorn_epsilons": (0.01, 0.0)},
    "uniformity": {"uniformity_weight": 0.1},
}


def clustered(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(12, 12, generator=generator)
    return centres.repeat(20, 1) + 0.3 * torch.randn(240, 12, generator=generator)


def trained(folder: Path, epochs: int = 12, **settings) -> tuple[RQVAE, dict]:
    """A model after some epochs in `folder`, going on from the checkpoint that is there, and its last metrics."""
    torch.manual_seed(0)
    model = RQVAE(RQVAEConfig(**{**SMALL, **settings}), 12)
    model.attach(clustered())
    trainer = build_trainer(None, stage="tokenize", folder=folder, epochs=epochs, monitor=model.monitor)
    fit(trainer, model, folder)
    return model, trainer.callback_metrics


@pytest.mark.parametrize(
    ("codebook", "option"),
    [("gradient", "gumbel"), *itertools.product(("ema", "gradient"), ("rotation", "sinkhorn", "uniformity"))],
)
def test_every_option_still_halves_the_held_out_error_of_clustered_items(codebook, option, tmp_path):
    model, metrics = trained(tmp_path, **{**OPTIONS[option], "codebook": codebook}, holdout=0.1)
    assert metrics["tokenize/validation/reconstruction"] < model.items[model.heldout_rows].var(dim=0).mean() / 2


@pytest.mark.parametrize("option", OPTIONS)
def test_resuming_at_an_epoch_equals_an_uninterrupted_run(option, tmp_path):
    settings = {**OPTIONS[option], "codebook": "gradient"}
    whole, _ = trained(tmp_path / "whole", 3, **settings)
    trained(tmp_path / "parts", 1, **settings)
    resumed, _ = trained(tmp_path / "parts", 3, **settings)
    for (name, expected), found in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(found, expected), name


def test_sinkhorn_spreads_the_training_codes_of_its_levels(tmp_path):
    settings = {"codebook": "gradient", "kmeans_init": False, "revive_after": 0, "batch_size": 240, "holdout": 0.0}
    model, _ = trained(tmp_path, 1, patience=0, sinkhorn_epsilons=(0.003, 0.0), **settings)
    first, second = (np.bincount(codes, minlength=8) for codes in model.training_codes().numpy().T)
    assert first.min() >= 20
    assert second.max() > 60


def test_uniformity_is_logged_as_weighted(tmp_path):
    _, metrics = trained(tmp_path, 1, uniformity_weight=0.5)
    assert 0 < metrics["tokenize/train/uniformity"] < metrics["tokenize/train/loss"]


def test_what_is_switched_off_names_no_other_result():
    plain = fingerprint(RQVAEConfig())
    assert fingerprint(RQVAEConfig(temperature=3.0, sinkhorn_iterations=7, sinkhorn_epsilons=(0.0, 0.0, 0.0))) == plain
    others = {fingerprint(RQVAEConfig(**settings, codebook_sizes=(8, 8))) for settings in OPTIONS.values()}
    assert len(others | {fingerprint(RQVAEConfig(codebook_sizes=(8, 8)))}) == 5
    assert fingerprint(RQVAEConfig(uniformity_weight=0.1, temperature=3.0)) != fingerprint(
        RQVAEConfig(uniformity_weight=0.1)
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"assignment": "rotate"}, "assignment='rotate' is unknown; allowed: straight_through, rotation, gumbel"),
        ({"temperature": 0.0}, "temperature=0.0 is out of range; allowed: a number > 0"),
        ({"uniformity_weight": -1.0}, "uniformity_weight=-1.0 is out of range"),
        ({"sinkhorn_iterations": 0}, "sinkhorn_iterations=0 is out of range; allowed: an integer >= 1"),
        (
            {"sinkhorn_epsilons": (0.1,)},
            r"sinkhorn_epsilons=\[0.1\] .* a number >= 0 for each of the 3 levels, or none",
        ),
        ({"sinkhorn_epsilons": (0.0, 0.0, -0.1)}, r"sinkhorn_epsilons=\[0.0, 0.0, -0.1\] .* a number >= 0"),
        ({"assignment": "gumbel"}, "codebook='ema' is out of range; allowed: gradient with assignment=gumbel"),
        (
            {"sinkhorn_epsilons": (0.0, 0.0, 0.1), "assignment": "gumbel"},
            "none with assignment=gumbel, which draws its codes",
        ),
    ],
)
def test_values_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        RQVAEConfig(**settings)
