"""The RQ-VAE: parameter counts of the papers, training, exact resuming, encoding."""

from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from tigerlite.config import ConfigError, InputError, from_dict
from tigerlite.stages.trainer import build_trainer, fit
from tigerlite.tokenizers.rqvae import RQVAE
from tigerlite.tokenizers.rqvae_config import RQVAEConfig

MODELS = Path(__file__).resolve().parents[2] / "configs" / "models"
SMALL = {"hidden_sizes": (32,), "latent": 8, "codebook_sizes": (8, 8), "batch_size": 64}


def clustered(n_items=240, n_dimensions=12, seed=0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(12, n_dimensions, generator=generator)
    return centres.repeat(n_items // 12, 1) + 0.3 * torch.randn(n_items, n_dimensions, generator=generator)


def build(embeddings: torch.Tensor, **settings) -> RQVAE:
    torch.manual_seed(0)
    model = RQVAE(RQVAEConfig(**{**SMALL, **settings}), embeddings.shape[1])
    model.attach(embeddings)
    return model


def train(model: RQVAE, epochs: int, folder: Path) -> dict[str, float]:
    """Train in `folder`, going on from the checkpoint that is there; the metrics of the last epoch."""
    trainer = build_trainer(None, stage="tokenize", folder=folder, epochs=epochs, monitor=model.monitor)
    fit(trainer, model, folder)
    return trainer.callback_metrics


@pytest.mark.parametrize("whiten", [0, 4])
def test_items_that_are_not_known_yet_stay_out_of_the_normalisation(whiten):
    items = clustered()
    late = torch.cat([items, items[:40] + 50])
    known = torch.arange(len(items))
    expected = build(items, whiten=whiten).normalise.state_dict()
    model = RQVAE(RQVAEConfig(**SMALL, whiten=whiten), items.shape[1])
    model.attach(late, known, known)
    for name, value in model.normalise.state_dict().items():
        torch.testing.assert_close(value, expected[name])
    model.attach(late, known)
    assert not torch.allclose(model.normalise.state_dict()["mean"], expected["mean"])


def n_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts_of_mtgrec():
    section = yaml.safe_load((MODELS / "rqvae_paper.yaml").read_text())["tokenize"]["rqvae"]
    model = RQVAE(from_dict(RQVAEConfig, section), 768)
    assert n_parameters(model.encoder) == n_parameters(model.decoder) == 3_051_392
    assert sum(codebook.vectors.numel() for codebook in model.quantizer.codebooks) == 98_304
    assert n_parameters(model.quantizer) == 0  # moved by averages, not by gradient


def test_parameter_counts_of_unigrec():
    config = RQVAEConfig(hidden_sizes=(512, 256, 128, 64), latent=32, codebook="gradient")
    model = RQVAE(config, 768)
    assert n_parameters(model.encoder) == 568_288
    assert n_parameters(model.decoder) == 569_024
    assert n_parameters(model.quantizer) == 24_576


def test_paper_settings_are_those_of_the_paper():
    section = yaml.safe_load((MODELS / "rqvae_paper.yaml").read_text())["tokenize"]["rqvae"]
    config = from_dict(RQVAEConfig, section)
    assert config.hidden_sizes == (2048, 1024, 512, 256)
    assert (config.latent, config.whiten, config.codebook_sizes) == (128, 128, (256, 256, 256))
    assert (config.codebook, config.decay, config.beta, config.kmeans_init) == ("ema", 0.99, 0.25, True)
    assert config.warmup_epochs == 0
    assert (config.optimizer, config.lr, config.weight_decay, config.dropout) == ("adagrad", 1e-3, 0, 0)
    assert (config.epochs, config.batch_size, config.seed) == (10_000, 2048, 2024)
    assert (config.revive_after, config.holdout, config.patience) == (0, 0, 0)


def test_layers_are_linear_with_relu_between_them():
    model = RQVAE(RQVAEConfig(hidden_sizes=(6, 5), latent=4, codebook_sizes=(2,)), 7)
    first, second, third = (layer for layer in model.encoder if isinstance(layer, nn.Linear))
    inputs = torch.randn(3, 7)
    torch.testing.assert_close(model.encoder(inputs), third(second(first(inputs).relu()).relu()))
    assert [layer.out_features for layer in model.decoder if isinstance(layer, nn.Linear)] == [5, 6, 7]


@pytest.mark.parametrize("codebook", ["ema", "gradient"])
def test_loss_is_reconstruction_plus_beta_commitment_plus_codebook_term(codebook):
    model = build(clustered(), codebook=codebook, beta=0.5, holdout=0, patience=0)
    model.log_dict = lambda *args, **kwargs: None
    rows = torch.arange(20)
    model.eval()
    reconstructions, quantized = model(model.items[rows])
    reconstruction = (reconstructions - model.items[rows]).square().mean()
    distance = (quantized.residuals - quantized.vectors).square().mean()
    expected = reconstruction + (0.5 if codebook == "ema" else 1.5) * distance
    torch.testing.assert_close(model.training_step(rows), expected)


@pytest.mark.parametrize("codebook", ["ema", "gradient"])
def test_training_halves_the_held_out_error_of_clustered_items(codebook, tmp_path):
    model = build(clustered(), codebook=codebook, lr=1e-2, holdout=0.1)
    heldout = model.items[model.heldout_rows]
    metrics = train(model, 12, tmp_path)
    assert metrics["tokenize/validation/reconstruction"] < heldout.var(dim=0).mean() / 2


def test_adagrad_is_the_papers_and_trains(tmp_path):
    model = build(clustered(), optimizer="adagrad", lr=0.05, weight_decay=0.5, warmup_epochs=0.0)
    optimizer = model.configure_optimizers()["optimizer"]
    assert isinstance(optimizer, torch.optim.Adagrad)
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (0.05, 0.5)
    first = train(model, 1, tmp_path)["tokenize/train/reconstruction"].clone()
    assert train(model, 4, tmp_path)["tokenize/train/reconstruction"] < first


def test_the_learning_rate_rises_over_the_warm_up_epochs_and_stays():
    model = build(clustered(), lr=0.5, warmup_epochs=2.5, batch_size=120, holdout=0.0, patience=0)  # 2 steps per epoch
    optimizers = model.configure_optimizers()
    rates = []
    for _ in range(8):
        rates.append(optimizers["optimizer"].param_groups[0]["lr"])
        optimizers["optimizer"].step()
        optimizers["lr_scheduler"]["scheduler"].step()
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5])


def test_inputs_are_whitened_standardised_or_left_alone():
    embeddings = clustered()
    white, standard, raw = (build(embeddings, **s).items for s in ({"whiten": 4}, {}, {"standardise": False}))
    torch.testing.assert_close(white.T.cov(), torch.eye(4), atol=1e-4, rtol=0)
    centred = embeddings - embeddings.mean(dim=0)
    torch.testing.assert_close(standard, centred / centred.var(dim=0).mean().sqrt())
    assert torch.equal(raw, embeddings)


def test_scaling_the_embeddings_changes_no_code(tmp_path):
    codes = []
    for name, embeddings in (("small", clustered() / 1024 + 1), ("large", clustered())):
        model = build(embeddings)
        train(model, 2, tmp_path / name)
        codes.append(model.encode(embeddings))
    assert (codes[0] == codes[1]).float().mean() > 0.99


def test_held_out_items_are_not_trained_on_and_follow_the_seed():
    models = [build(clustered(), seed=seed, holdout=0.1) for seed in (1, 1, 2)]
    first, again, other = (model.heldout_rows.sort().values.tolist() for model in models)
    assert first == again != other
    assert len(first) == 24
    batches = torch.cat(list(models[0].train_dataloader()))
    assert sorted(batches.tolist() + first) == list(range(240))


def test_training_codes_are_those_of_the_training_items(tmp_path):
    # Nothing moves at this learning rate, so the codes seen in the epoch are those of the trained model.
    model = build(clustered(), codebook="gradient", lr=1e-12, revive_after=0, holdout=0.1)
    recorded = {}
    model.on_train_epoch_end = lambda: recorded.update(codes=model.training_codes())
    train(model, 1, tmp_path)
    assert torch.equal(recorded["codes"], model.encode(clustered())[model.training_rows])


def test_resuming_at_an_epoch_equals_an_uninterrupted_run(tmp_path):
    settings = {"dropout": 0.2, "revive_after": 1, "codebook_sizes": (32, 32), "batch_size": 60}
    whole = build(clustered(), **settings)
    train(whole, 4, tmp_path / "whole")
    train(build(clustered(), **settings), 2, tmp_path / "parts")
    torch.manual_seed(99)  # what happened before must not matter
    resumed = build(clustered(), **settings)
    torch.manual_seed(98)
    train(resumed, 4, tmp_path / "parts")
    for (name, expected), found in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(found, expected), name


def test_checkpoints_hold_primitives_and_no_items(tmp_path):
    train(build(clustered(), whiten=4), 1, tmp_path)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint["hyper_parameters"]["config"]["codebook_sizes"] == [8, 8]
    assert max(tensor.shape[0] for tensor in checkpoint["state_dict"].values() if tensor.ndim) <= 32
    rebuilt = RQVAE(**checkpoint["hyper_parameters"])
    rebuilt.load_state_dict(checkpoint["state_dict"])
    assert rebuilt.config == RQVAEConfig(**SMALL, whiten=4)


def test_a_saved_tokenizer_encodes_new_items_alike(tmp_path):
    model = build(clustered(), whiten=4, dropout=0.5)
    train(model, 1, tmp_path)
    model.save(tmp_path)
    new = clustered(seed=7)
    loaded = RQVAE.load(tmp_path)
    model.train()  # dropout must not reach the codes
    assert torch.equal(loaded.encode(new), model.encode(new))
    assert model.training
    white = loaded.normalise(new)
    assert torch.equal(loaded.encode(new), loaded.quantizer.encode(loaded.encoder(white)))
    torch.testing.assert_close(loaded.latents(new), loaded.encoder(white))
    assert torch.equal(loaded.last_level_distances(new).argmin(dim=1), loaded.encode(new)[:, -1])


def test_codebooks_start_from_kmeans_unless_that_is_switched_off(tmp_path):
    for kmeans_init in (True, False):
        model = build(clustered(), codebook="gradient", lr=1e-12, revive_after=0, kmeans_init=kmeans_init)
        before = [codebook.vectors.detach().clone() for codebook in model.quantizer.codebooks]
        train(model, 1, tmp_path / str(kmeans_init))
        moved = [(a.vectors - b).abs().max() > 1e-3 for a, b in zip(model.quantizer.codebooks, before, strict=True)]
        assert moved == [kmeans_init] * 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"codebook_sizes": ()}, "codebook_sizes=.* allowed: at least one level"),
        ({"codebook_sizes": (8, 0)}, r"codebook_sizes=\[8, 0\] .* allowed: integers >= 1"),
        ({"hidden_sizes": (0,)}, r"hidden_sizes=\[0\] .* allowed: integers >= 1"),
        ({"latent": 0}, "latent=0 is out of range; allowed: an integer >= 1"),
        ({"epochs": 0}, "epochs=0 is out of range"),
        ({"batch_size": 0}, "batch_size=0 is out of range"),
        ({"whiten": -1}, "whiten=-1 is out of range"),
        ({"revive_after": -1}, "revive_after=-1 is out of range"),
        ({"patience": -1}, "patience=-1 is out of range"),
        ({"seed": -1}, "seed=-1 is out of range"),
        ({"beta": -0.1}, "beta=-0.1 is out of range"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0 is out of range"),
        ({"warmup_epochs": -1.0}, "warmup_epochs=-1.0 is out of range"),
        ({"lr": 0.0}, "lr=0.0 is out of range; allowed: a number > 0"),
        ({"decay": 1.0}, r"decay=1.0 is out of range; allowed: a number in \[0, 1\)"),
        ({"dropout": 1.0}, "dropout=1.0 is out of range"),
        ({"holdout": 1.0}, "holdout=1.0 is out of range"),
        ({"codebook": "emma"}, r"codebook='emma' is unknown; allowed: ema, gradient; did you mean 'ema'\?"),
        ({"optimizer": "sgd"}, "optimizer='sgd' is unknown; allowed: adamw, adagrad"),
        ({"holdout": 0.0}, "patience=20 needs held-out items; set holdout above 0, or patience=0"),
    ],
)
def test_values_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        RQVAEConfig(**settings)


def test_items_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"228 items to train on are fewer than the 256 codes of a level; set tokenize.rqvae"
    ):
        build(clustered(), codebook_sizes=(256, 8))
    with pytest.raises(InputError, match=r"tokenize.rqvae.whiten=13, but the embeddings .* span only 12 directions"):
        build(clustered(), whiten=13)
    with pytest.raises(InputError, match=r"embeddings have shape \(3, 5\); this tokenizer takes \(N, 12\)"):
        build(clustered()).encode(torch.zeros(3, 5))
    with pytest.raises(InputError, match=r"holds no RQ-VAE"):
        RQVAE.load(tmp_path)
