"""What a UniGRec looks up and serves: vectors that follow training, and a folder that needs no item embeddings."""

import pytest
import torch

from tests.recommenders.test_unigrec import BATCH, HISTORIES, N_ITEMS, identifiers, model
from tigerlite.config import InputError
from tigerlite.recommenders.unigrec import UniGRec


def test_outside_training_items_are_looked_up_as_training_reads_them():
    made = model(tau=0.05)
    with torch.no_grad():
        looked_up, _ = made.eval().encode(HISTORIES)
        computed, _ = made.train().encode(HISTORIES)
    torch.testing.assert_close(looked_up, computed)


def test_what_is_looked_up_follows_training():
    made = model().eval()
    before = made.catalogue_vectors().clone()
    made.train().training_losses(BATCH)
    with torch.no_grad():
        made.tokenizer.quantizer.codebooks[0].add_(1.0)
    assert not torch.equal(made.eval().catalogue_vectors(), before)


def test_a_saved_model_carries_its_tokenizer_and_serves_without_items(tmp_path):
    made = model().eval()
    made.save(tmp_path)
    loaded = UniGRec.load(tmp_path)
    assert loaded.fingerprint == made.fingerprint
    assert loaded.tokenizer.temperature == pytest.approx(0.05)
    ours, theirs = made.recommend(HISTORIES, 5), loaded.recommend(HISTORIES, 5)
    assert ours.items.tolist() == theirs.items.tolist()
    assert torch.equal(ours.scores, theirs.scores)
    with pytest.raises(InputError, match="loaded to serve"):
        loaded.train().training_losses(BATCH)


def test_a_folder_without_a_model_says_so(tmp_path):
    with pytest.raises(InputError, match="holds no trained model"):
        UniGRec.load(tmp_path)


@pytest.mark.parametrize("served", [True, False])
def test_a_new_item_is_read_and_written_like_the_known_one_that_has_its_embedding(served, tmp_path):
    made = model().eval()
    made.save(tmp_path)
    extended = UniGRec.load(tmp_path) if served else model().eval()
    extended.add_items(identifiers(0.05).embeddings[[2]], extended.tokenizer)
    new, codes = extended.bank.n_items, extended.bank.primary
    assert new == N_ITEMS + 1
    assert codes[new, :-1].tolist() == codes[3, :-1].tolist()
    group = (codes[1:new, :-1] == codes[3, :-1]).all(dim=1)
    assert int(codes[new, -1]) == int(group.sum())  # the lowest digit that none of the group has
    torch.testing.assert_close(extended.catalogue_vectors()[new], extended.catalogue_vectors()[3])
    answers = [extended.recommend(torch.tensor([[item, 5]]), 6) for item in (new, 3)]
    assert answers[0].items.tolist() == answers[1].items.tolist()
    items, scores = extended.recommend(HISTORIES, N_ITEMS + 1)
    assert (items == new).any(dim=1).all()
    before = made.recommend(HISTORIES, N_ITEMS)
    for row in range(len(HISTORIES)):
        found = dict(zip(items[row].tolist(), scores[row].tolist(), strict=True))
        expected = dict(zip(before.items[row].tolist(), before.scores[row].tolist(), strict=True))
        assert {item: found[item] for item in expected} == pytest.approx(expected, abs=1e-4)
    extended.save(tmp_path / "again")
    assert UniGRec.load(tmp_path / "again").fingerprint == extended.fingerprint


def test_another_tokenizer_than_the_models_own_is_refused():
    made = model().eval()
    with torch.no_grad():
        made.tokenizer.quantizer.codebooks[0].add_(1.0)  # joint training
    with pytest.raises(InputError, match="the bank was made by the tokenizer"):
        made.add_items(identifiers(0.05).embeddings[[2]], identifiers(0.05).tokenizer)
    assert made.bank.n_items == N_ITEMS
