"""Closed forms and collisions in the stage: every pair gives identifiers, caches keep their names, collapse is reported."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_catalogues import clusters, one_user

from tigerlite.config import InputError, decisive, fingerprint, reseeded
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import training_items
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.stages import recommend, tokenize
from tigerlite.stages.codebook_health import HEALTH
from tigerlite.stages.recommend_config import RecommendConfig
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.tokenizers import CLOSED_FORM
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.collisions import COLLISIONS
from tigerlite.tokenizers.hierarchical import HierarchicalConfig
from tigerlite.tokenizers.opq import OPQConfig
from tigerlite.tokenizers.pq import PQConfig
from tigerlite.tokenizers.random import RandomConfig
from tigerlite.tokenizers.rqkmeans import RQKMeansConfig
from tigerlite.tokenizers.saved import load_tokenizer

N_ITEMS = 80
SIZES = (8, 16)
SMALL = {
    "rqkmeans": RQKMeansConfig(codebook_sizes=SIZES),
    "pq": PQConfig(codebook_sizes=SIZES),
    "opq": OPQConfig(codebook_sizes=(16, 16), rotations=2),
    "hierarchical": HierarchicalConfig(codebook_sizes=SIZES),
    "random": RandomConfig(codebook_sizes=SIZES),
}
FREE = [name for name in COLLISIONS if name not in ("rank_digit", "none")]


def items() -> ItemEmbeddings:
    return clusters(N_ITEMS, n_equal=3)


def dataset() -> RecDataset:
    return one_user(N_ITEMS, n_held_out=10)


@pytest.mark.parametrize("method", CLOSED_FORM)
@pytest.mark.parametrize("collisions", FREE)
def test_every_closed_form_with_every_resolution_gives_unique_identifiers(tmp_path, method, collisions):
    config = TokenizeConfig(method=method, collisions=collisions, **SMALL)
    bank = tokenize.run(config, items() if config.needs_embeddings else None, dataset(), out=tmp_path)
    assert bank.vocab.codebook_sizes == SMALL[method].codebook_sizes
    assert len(bank.primary[1:].unique(dim=0)) == N_ITEMS
    assert not bank.buckets
    if collisions == "sinkhorn_rounds":
        return  # a group that is spread may draw in who was alone
    encoded = load_tokenizer(tmp_path).encode(items().matrix)
    alone = torch.unique(encoded, dim=0, return_inverse=True, return_counts=True)
    kept = (bank.primary[1:] == encoded).all(dim=1)
    # Items with a path of their own keep it.
    assert bool(kept[alone[2][alone[1]] == 1].all())


@pytest.mark.parametrize("method", [name for name in CLOSED_FORM if name != "random"])
def test_train_items_only_fits_without_the_items_of_the_split(tmp_path, method):
    config = TokenizeConfig(method=method, train_items_only=True, **SMALL)
    tokenize.run(config, items(), dataset(), out=tmp_path)
    changed = items().matrix.copy()
    changed[-8:] *= 5  # of the ten items that only validation and test have
    found = load_tokenizer(tmp_path).encode(items().matrix)
    other = tmp_path / "changed"
    other.mkdir()
    tokenize.run(config, ItemEmbeddings(changed), dataset(), out=other)
    assert torch.equal(load_tokenizer(other).encode(items().matrix), found)


def test_items_that_share_a_path_are_buckets_and_refused_by_a_recommender(tmp_path):
    config = TokenizeConfig(method="rqkmeans", collisions="none", **SMALL)
    bank = tokenize.run(config, items(), dataset(), out=tmp_path)
    assert bank.buckets
    assert bank.primary[1].tolist() == bank.primary[N_ITEMS].tolist()
    health = json.loads((tmp_path / HEALTH).read_text())
    assert (health["collisions"], health["largest_group"] >= 4) == ("none", True)
    with pytest.raises(InputError, match=r"collisions=none left items that share a path.*set tokenize.collisions=rank"):
        recommend.run(RecommendConfig(), dataset(), bank, out=tmp_path / "model")


def test_no_resolution_is_needed_where_nothing_collides(tmp_path):
    config = TokenizeConfig(method="random", collisions="none", **SMALL)
    assert not tokenize.run(config, None, dataset(), out=tmp_path).buckets


@pytest.mark.parametrize("method", ["rqkmeans", "pq", "opq", "hierarchical"])
def test_identical_items_get_unique_identifiers_and_are_warned_about_with_the_remedy(tmp_path, caplog, method):
    flat = ItemEmbeddings(np.ones((N_ITEMS, 10), dtype=np.float32))
    bank = tokenize.run(
        TokenizeConfig(method=method, collisions="nearest_free", **SMALL), flat, dataset(), out=tmp_path
    )
    assert len(bank.primary[1:].unique(dim=0)) == N_ITEMS
    alike, warning = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "80 items have 1 distinct embeddings" in alike
    size = SMALL[method].codebook_sizes[0]
    assert f"level 1, 2 spreads the items over 1.0 of {size}, 1.0 of 16 codes (perplexity; 80 items)" in warning
    assert f"or fewer codes in tokenize.{method}.codebook_sizes" in warning


def test_items_beyond_the_digits_get_the_nearest_free_codes(tmp_path, caplog):
    flat = ItemEmbeddings(np.ones((N_ITEMS, 10), dtype=np.float32))
    config = TokenizeConfig(method="rqkmeans", max_digits=5, **SMALL)
    bank = tokenize.run(config, flat, dataset(), out=tmp_path)
    assert bank.vocab.codebook_sizes == (*SIZES, 5)
    assert len(bank.primary[1:].unique(dim=0)) == N_ITEMS
    assert bank.primary[1:6, -1].tolist() == [0, 1, 2, 3, 4]
    assert any("tokenize.max_digits=5: 75 items get other codes" in message for message in caplog.messages)
    assert json.loads((tmp_path / HEALTH).read_text())["largest_group"] == N_ITEMS


@pytest.mark.parametrize("method", CLOSED_FORM)
@pytest.mark.parametrize("collisions", ["rank_digit", "nearest_free", "first_free"])
def test_items_held_out_get_the_identifiers_that_adding_them_later_would_give(tmp_path, method, collisions):
    config = TokenizeConfig(method=method, collisions=collisions, **SMALL)
    whole = dataset()
    held_out = replace(whole, statistics={"cold_items": 10})
    bank = tokenize.run(config, items() if config.needs_embeddings else None, held_out, out=tmp_path)
    late = np.setdiff1d(np.arange(1, N_ITEMS + 1), training_items(whole))
    early = np.setdiff1d(np.arange(1, N_ITEMS + 1), late)
    assert len(late) == 10
    alone = TokenizerBank(bank.codes[:, [0, *early]], bank.vocab)
    added = alone.add(torch.from_numpy(items().matrix[late - 1]), load_tokenizer(tmp_path))
    if method != "random":  # whose codes depend on the number of items encoded at once
        assert torch.equal(added.primary[-10:], bank.primary[late])
    assert len(bank.primary[1:].unique(dim=0)) == N_ITEMS


def test_sections_that_are_not_used_are_in_no_fingerprint():
    plain = decisive(TokenizeConfig())
    assert set(plain) == {"method", "rqvae", "collisions", "max_digits", "train_items_only", "seed"}
    assert fingerprint(TokenizeConfig(**SMALL)) == fingerprint(TokenizeConfig())
    assert set(decisive(TokenizeConfig(method="pq", collisions="sinkhorn_rounds"))) >= {"pq", "sinkhorn_rounds"}


def test_a_seed_reaches_the_closed_forms():
    config = reseeded(TokenizeConfig(), 7)
    assert {getattr(config, name).seed for name in ("rqvae", *CLOSED_FORM)} == {7}


@pytest.mark.parametrize(
    ("method", "collisions", "needed"),
    [
        ("pq", "rank_digit", True),
        ("random", "nearest_free", False),
        ("imported", "rank_digit", False),
        ("imported", "sinkhorn_rounds", True),
    ],
)
def test_embeddings_are_read_where_something_is_measured(method, collisions, needed):
    assert TokenizeConfig(method=method, collisions=collisions).needs_embeddings == needed


def test_missing_embeddings_are_named_with_the_method(tmp_path):
    with pytest.raises(InputError, match="tokenize.method=pq needs item embeddings; run the encode stage first"):
        tokenize.run(TokenizeConfig(method="pq"), None, dataset(), out=tmp_path)
    config = TokenizeConfig(method="imported", collisions="sinkhorn_rounds")
    with pytest.raises(InputError, match="tokenize.collisions=sinkhorn_rounds needs item embeddings"):
        tokenize.run(config, None, dataset(), out=tmp_path)
