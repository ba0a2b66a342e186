"""Rows of decoding without a trie: invalid ids skipped or kept, their rate, exclusion, models that cannot be asked."""

import numpy as np
import polars as pl
import pytest
import torch

from tests.callbacks import test_group_sampling as mixing
from tests.recommenders import test_unigrec as soft
from tigerlite.config import ConfigError, InputError, fingerprint, to_dict
from tigerlite.data.dataset import RecDataset
from tigerlite.evaluation.ranking import summarise
from tigerlite.evaluation.result_files import read_lists
from tigerlite.recommenders.baselines.popularity import Popularity
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.stages import evaluate
from tigerlite.stages.evaluate_config import EvaluateConfig
from tigerlite.stages.free_decoding import MAX_CANDIDATES, SEEN, FreeBeam, free_rows
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

SIZES = (4, 6)  # of whose 24 paths 12 are items


def tiger(head: str = "vocabulary", sizes: tuple[int, int] = SIZES) -> TIGER:
    torch.manual_seed(0)
    t5 = T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=8, n_heads=2, d_kv=4, d_ff=8)
    scoring = {"trie": "trie", "level": "level", "vocabulary": "vocabulary"}[head]
    config = TIGERConfig(t5=t5, head=head, scoring=scoring)
    return TIGER(to_dict(config), TokenizerBank(mixing.bank(1).codes, SemanticVocab(sizes))).eval()


@pytest.fixture
def dataset() -> RecDataset:
    return mixing.circle()


def test_skipped_and_kept_differ_by_the_places_of_invalid_ids():
    items = np.array([[0, 5, 0, 6], [7, 0, SEEN, 8], [0, 0, 0, 0]])
    rows = free_rows("tiger", items, np.array([6, 8, 9]))
    assert rows.ranks["tiger_free_skipped"].tolist() == [2, 2, 0]
    # An excluded item of the history takes no place in either row.
    assert rows.ranks["tiger_free_kept"].tolist() == [4, 3, 0]
    assert rows.lists["tiger_free_skipped"][:, :3].tolist() == [[5, 6, 0], [7, 8, 0], [0, 0, 0]]
    assert rows.lists["tiger_free_kept"][:, :4].tolist() == [[0, 5, 0, 6], [7, 0, 8, 0], [0, 0, 0, 0]]
    assert rows.invalid == {"1": 2 / 3, "4": (2 + 1 + 4) / 12}


def test_of_a_beam_that_prunes_nothing_the_valid_hypotheses_are_what_the_trie_search_finds(dataset, tmp_path):
    model = tiger()
    n_tokens = model.vocab.size
    config = EvaluateConfig(n_beams=n_tokens**2, baselines=(), free_beam="vocabulary")
    found = evaluate.run(config, dataset, model, out=tmp_path)
    assert found.metrics["tiger_free_skipped"] == found.metrics["tiger"]
    lists = read_lists(tmp_path)
    assert lists["tiger_free_skipped"].tolist() == lists["tiger"].tolist()
    assert found.metrics["tiger_free_kept"]["ndcg@20"] < found.metrics["tiger"]["ndcg@20"]
    # Every sequence of two tokens is a hypothesis and twelve are items.
    assert found.settings["invalid_rate"][str(n_tokens**2)] == pytest.approx(1 - 12 / n_tokens**2)
    frame = pl.read_parquet(tmp_path / evaluate.RANKS)
    assert found.metrics["tiger_free_kept"] == summarise(frame["rank/tiger_free_kept"].to_numpy().astype(np.int64))


@pytest.mark.parametrize(("sizes", "expected"), [((4, 3), 0.0), (SIZES, 0.5)])
def test_with_codes_of_the_level_only_paths_outside_the_catalogue_are_invalid(dataset, tmp_path, sizes, expected):
    config = EvaluateConfig(n_beams=24, baselines=(), free_beam="level", n_examples=0)
    found = evaluate.run(config, dataset, tiger("level", sizes), out=tmp_path)
    rates = found.settings["invalid_rate"]
    assert rates[max(rates, key=int)] == expected
    assert found.settings["free_beam"] == "level"
    assert found.metrics["tiger_free_skipped"] == found.metrics["tiger"]


def test_items_of_the_history_are_in_neither_row_where_they_are_excluded(dataset, tmp_path):
    config = EvaluateConfig(n_beams=24, baselines=(), free_beam="level", exclude_history=True, n_examples=0)
    evaluate.run(config, dataset, tiger("level"), out=tmp_path)
    lists = read_lists(tmp_path)
    for name in ("tiger_free_skipped", "tiger_free_kept"):
        for user, place in dataset.test.tolist():
            history = dataset.items[dataset.offsets[user] : place]
            assert not np.isin(lists[name][user], history).any()
    assert lists["tiger_free_skipped"].tolist() == lists["tiger"].tolist()


def test_a_model_of_soft_identifiers_is_decoded_too():
    model = soft.model().eval()
    model.decoding = "exact"
    expected = model.recommend(soft.HISTORIES, 10)
    every_path = int(np.prod(model.vocab.codebook_sizes))
    found = FreeBeam(model, "level", every_path).recommend(soft.HISTORIES, 10)
    valid = [row[row > 0] for row in found.items]
    assert [len(row) for row in valid] == [soft.N_ITEMS] * 3
    assert [row[:10].tolist() for row in valid] == expected.items.tolist()


def test_users_are_searched_in_parts_where_candidates_are_many(dataset, monkeypatch):
    model = tiger()
    histories = torch.from_numpy(dataset.items[:12].astype(np.int64)).view(4, 3)
    whole = FreeBeam(model, "vocabulary", 24).recommend(histories, 20)
    monkeypatch.setattr("tigerlite.stages.free_decoding.MAX_CANDIDATES", 1)
    parts = FreeBeam(model, "vocabulary", 24).recommend(histories, 20)
    assert MAX_CANDIDATES > 1
    assert torch.equal(parts.items, whole.items)
    torch.testing.assert_close(parts.scores, whole.scores)


@pytest.mark.parametrize(
    ("free_beam", "head", "message"),
    [
        ("vocabulary", "level", "scores tokens that head=level never trained; set finetune.tiger.head=vocabulary"),
        ("level", "trie", "scores tokens that head=trie never trained; set finetune.tiger.head=level"),
    ],
)
def test_a_head_that_never_learnt_what_may_follow_is_refused(dataset, tmp_path, free_beam, head, message):
    with pytest.raises(InputError, match=message):
        evaluate.run(EvaluateConfig(free_beam=free_beam), dataset, tiger(head), out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_models_without_identifiers_or_calibrated_on_the_trie_are_refused(dataset, tmp_path):
    with pytest.raises(InputError, match="free_beam=level needs a model that writes identifiers, not popularity"):
        evaluate.run(EvaluateConfig(free_beam="level"), dataset, Popularity.fit(dataset), out=tmp_path)
    model = tiger()
    model.set_calibration(torch.ones(13, 2))
    with pytest.raises(InputError, match=r"calibrated on the trie \(objective.method=igd\)"):
        evaluate.run(EvaluateConfig(free_beam="level"), dataset, model, out=tmp_path)


def test_an_unknown_word_is_refused_and_no_free_beam_names_the_results_it_named_before():
    with pytest.raises(ConfigError, match="free_beam='all' is unknown; allowed: none, level, vocabulary"):
        EvaluateConfig(free_beam="all")
    assert fingerprint(EvaluateConfig()) == "109b187a5d"
    assert fingerprint(EvaluateConfig(free_beam="level")) != "109b187a5d"
