"""LETTER: its loss is the RQ-VAE's and two terms, positives are other codes of a cluster, and it resumes exactly."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.reference.letter_terms import alignment, diversity
from tigerlite.config import ConfigError, InputError
from tigerlite.stages.trainer import build_trainer, fit
from tigerlite.tokenizers.collaborative import Collaborative
from tigerlite.tokenizers.letter import LetterConfig, regularise
from tigerlite.tokenizers.rqvae import RQVAE
from tigerlite.tokenizers.rqvae_config import RQVAEConfig

N_ITEMS, WIDTH = 240, 8
SMALL = {
    "hidden_sizes": (32,),
    "latent": WIDTH,
    "codebook_sizes": (8, 12),
    "batch_size": 64,
    "codebook": "gradient",
    "sinkhorn_epsilons": (0.0, 0.01),
}
CLUSTERS = {"n_clusters": 3, "smallest_cluster": 2, "largest_cluster": 6}


def embeddings(n_dimensions: int = 12, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(12, n_dimensions, generator=generator)
    return centres.repeat(N_ITEMS // 12, 1) + 0.3 * torch.randn(N_ITEMS, n_dimensions, generator=generator)


def collaborative() -> Collaborative:
    return Collaborative(np.random.default_rng(5).normal(size=(N_ITEMS, WIDTH)))


def build(letter: dict | None = None, **settings) -> RQVAE:
    torch.manual_seed(0)
    model = RQVAE(RQVAEConfig(**{**SMALL, **settings}), 12)
    model.attach(embeddings())
    regularise(model, LetterConfig(**{**CLUSTERS, **(letter or {})}), collaborative())
    return model


def train(model: RQVAE, epochs: int, folder: Path) -> dict[str, float]:
    trainer = build_trainer(None, stage="tokenize", folder=folder, epochs=epochs, monitor=model.monitor)
    fit(trainer, model, folder)
    return trainer.callback_metrics


def test_the_loss_is_that_of_the_rqvae_and_both_weighted_terms():
    model, rows = build({"alpha": 0.3, "beta": 0.2}), torch.arange(30)
    logged = {}
    model.log_dict = lambda parts, **_: logged.update(parts)
    model.regulariser.start_epoch(model.quantizer, 0)
    model.eval()
    found = model.training_step(rows)
    _, quantized = model(model.items[rows])
    aligned = alignment(quantized.quantized.tolist(), collaborative().matrix[:30].tolist())
    diverse = [
        diversity(codebook.vectors.tolist(), codes.tolist(), model.regulariser.positives(level, rows, codes).tolist())
        for level, (codebook, codes) in enumerate(
            zip(model.quantizer.codebooks, quantized.codes.unbind(1), strict=True)
        )
    ]
    assert logged["tokenize/train/alignment"].item() == pytest.approx(0.3 * aligned, rel=1e-4)
    assert logged["tokenize/train/diversity"].item() == pytest.approx(0.2 * sum(diverse) / 2, rel=1e-4)
    model.regulariser = None
    plain = model.training_step(rows)
    assert found.item() == pytest.approx(plain.item() + 0.3 * aligned + 0.2 * sum(diverse) / 2, rel=1e-4)


def test_positives_are_all_the_other_codes_of_the_cluster_about_equally_often():
    model = build()
    terms = model.regulariser
    terms.clusters0.copy_(torch.tensor([0, 1, 0, 2, 1, 0, 2, 0]))
    terms.draws = torch.rand(12_000, 2, generator=torch.Generator().manual_seed(0))
    rows, codes = torch.arange(12_000), torch.arange(12_000) % 8
    counts = torch.zeros(8, 8)
    counts.index_put_((codes, terms.positives(0, rows, codes)), torch.ones(12_000), accumulate=True)
    same = terms.clusters0[:, None] == terms.clusters0
    expected = (same & ~torch.eye(8, dtype=torch.bool)).float()
    expected = 1500 * expected / expected.sum(dim=1, keepdim=True)
    torch.testing.assert_close(counts, expected, atol=100, rtol=0)
    terms.draws.fill_(1.0 - 2**-24)  # the largest number below 1
    assert (terms.positives(0, rows, codes) != codes).all()


def test_clusters_have_the_allowed_sizes_and_draws_follow_seed_and_epoch():
    terms = build().regulariser
    quantizer = build().quantizer
    draws = []
    for epoch in (3, 3, 4):
        terms.start_epoch(quantizer, epoch)
        draws.append(terms.draws.clone())
        for level in range(2):
            sizes = terms.get_buffer(f"clusters{level}").bincount(minlength=3)
            assert sizes.min() >= 2
            assert sizes.max() <= 6
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_diversity_moves_codebooks_alone_and_alignment_reaches_the_encoder():
    for letter, name in (({"alpha": 0.0, "beta": 1.0}, "diversity"), ({"alpha": 1.0, "beta": 0.0}, "alignment")):
        model, rows = build(letter), torch.arange(20)
        model.regulariser.start_epoch(model.quantizer, 0)
        terms = model.regulariser(rows, model(model.items[rows])[1], model.quantizer)
        assert list(terms) == [name]
        terms[name].backward()
        moved = model.encoder[1].weight.grad is not None and model.encoder[1].weight.grad.abs().sum() > 0
        assert moved == (name == "alignment")


def test_alignment_brings_quantised_items_to_their_collaborative_embeddings(tmp_path):
    found = {}
    for alpha in (1e-6, 1.0):
        model = build({"alpha": alpha}, lr=1e-2)
        metrics = train(model, 12, tmp_path / str(alpha))
        found[alpha] = metrics["tokenize/train/alignment"].item() / alpha
    assert found[1.0] < found[1e-6] - 1


def test_resuming_at_an_epoch_equals_an_uninterrupted_run(tmp_path):
    settings = {"dropout": 0.2, "batch_size": 60}
    weights = {"alpha": 0.1, "beta": 0.1}
    whole = build(weights, **settings)
    train(whole, 4, tmp_path / "whole")
    train(build(weights, **settings), 2, tmp_path / "parts")
    torch.manual_seed(99)  # what happened before must not matter
    resumed = build(weights, **settings)
    torch.manual_seed(98)
    train(resumed, 4, tmp_path / "parts")
    for (name, expected), found in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(found, expected), name


def test_what_is_saved_is_an_rqvae_and_holds_no_collaborative_embeddings(tmp_path):
    model = build()
    train(model, 1, tmp_path)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert not [name for name in checkpoint["state_dict"] if "regulariser" in name]
    model.save(tmp_path)
    assert torch.equal(RQVAE.load(tmp_path).encode(embeddings(seed=7)), model.encode(embeddings(seed=7)))


def test_what_does_not_fit_is_refused():
    model = RQVAE(RQVAEConfig(**SMALL), 12)
    model.attach(embeddings())
    config = LetterConfig(**CLUSTERS)
    with pytest.raises(InputError, match=r"got none; set teacher.enabled=true or tokenize.letter.file"):
        regularise(model, config, None)
    with pytest.raises(
        InputError, match=r"embeddings of 239 items were given but the data set has 240; make them from"
    ):
        regularise(model, config, Collaborative(collaborative().matrix[1:]))
    with pytest.raises(InputError, match=r"have 5 dimensions but the latent 8, .* set tokenize.rqvae.latent=5"):
        regularise(model, config, Collaborative(collaborative().matrix[:, :5]))


@pytest.mark.parametrize(
    ("letter", "rqvae", "message"),
    [
        ({}, {"codebook": "ema"}, r"letter.beta=0.0001 moves codebooks by gradient but rqvae.codebook='ema'; set"),
        (
            {"n_clusters": 5},
            {},
            r"8 codes of a level cannot be put into 5 clusters of 2 to 6, which hold 10 to 30; set",
        ),
        (
            {"largest_cluster": 3},
            {},
            r"12 codes of a level cannot be put into 3 clusters of 2 to 3, which hold 6 to 9; set",
        ),
    ],
)
def test_an_rqvae_on_which_diversity_could_not_act_is_refused(letter, rqvae, message):
    with pytest.raises(ConfigError, match=message):
        LetterConfig(**{**CLUSTERS, **letter}).check_rqvae(RQVAEConfig(**{**SMALL, **rqvae}))
    LetterConfig(**{**CLUSTERS, **letter, "beta": 0.0}).check_rqvae(RQVAEConfig(**{**SMALL, **rqvae}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": -1.0}, "alpha=-1.0 is out of range; allowed: a number >= 0"),
        ({"beta": -1.0}, "beta=-1.0 is out of range; allowed: a number >= 0"),
        ({"n_clusters": 0}, "n_clusters=0 is out of range"),
        (
            {"smallest_cluster": 1},
            "smallest_cluster=1 is out of range; allowed: an integer >= 2, since a code needs another",
        ),
        ({"largest_cluster": 9}, "largest_cluster=9 is out of range; allowed: an integer >= smallest_cluster=10"),
        ({"order": "id"}, r"order='id' is unknown; allowed: ids, prepared; did you mean 'ids'\?"),
    ],
)
def test_values_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        LetterConfig(**settings)
