import itertools

import pytest
import torch

from tests.reference.exhaustive_scoring import best_items, exhaustive_scores
from tigerlite.config import ConfigError
from tigerlite.recommenders.beam_search import beam_search
from tigerlite.recommenders.exact import exact_search
from tigerlite.recommenders.scoring import SCORINGS, Beams
from tigerlite.recommenders.t5 import T5, T5Config
from tigerlite.recommenders.trie import Trie

SIZES = [6, 4, 5]
STARTS = [1, 7, 11]
VOCAB_SIZE = 18  # 0, three levels, and two tokens that are no code
N_ITEMS = 60


@pytest.fixture
def model() -> T5:
    torch.manual_seed(0)
    config = T5Config(n_encoder_layers=2, n_decoder_layers=2, d_model=16, n_heads=2, d_kv=8, d_ff=32, dropout=0.0)
    return T5(config, VOCAB_SIZE).eval()


def _codes(n_items: int = N_ITEMS) -> torch.Tensor:
    paths = torch.tensor(list(itertools.product(*map(range, SIZES))))
    order = torch.randperm(len(paths), generator=torch.Generator().manual_seed(0))[:n_items]
    return torch.cat((torch.zeros(1, 3).long(), paths[order]))


def _histories(n_users: int = 4, length: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, VOCAB_SIZE, (n_users, length), generator=generator)
    lengths = torch.randint(1, length + 1, (n_users,), generator=generator)
    mask = torch.arange(length) < lengths[:, None]
    return tokens * mask, mask


def _exact(model: T5, codes: torch.Tensor, tokens: torch.Tensor, mask: torch.Tensor, **options) -> Beams:
    with torch.no_grad():
        encoded = model.encode(tokens, mask)
    return exact_search(model, Trie(codes), encoded, mask, starts=STARTS, sizes=SIZES, **options)


def _beam(model: T5, codes: torch.Tensor, tokens: torch.Tensor, mask: torch.Tensor, **options) -> Beams:
    with torch.no_grad():
        encoded = model.encode(tokens, mask)
    return beam_search(model, Trie(codes), encoded, mask, starts=STARTS, sizes=SIZES, **options)


@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize("max_rows", [1, 20, 8192])
def test_exact_search_equals_exhaustive_scoring_whatever_the_chunks(model, scoring, max_rows):
    codes, histories = _codes(), _histories()
    scores = exhaustive_scores(model, codes, *histories, starts=STARTS, sizes=SIZES, scoring=scoring)
    found = _exact(model, codes, *histories, k=25, scoring=scoring, max_rows=max_rows)
    assert found.items.tolist() == best_items(scores, 25)
    torch.testing.assert_close(found.scores, scores.gather(1, found.items - 1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("scoring", SCORINGS)
def test_exact_search_equals_an_unpruned_beam_with_and_without_exclusion(model, scoring):
    codes, histories = _codes(), _histories()
    best = _beam(model, codes, *histories, n_beams=N_ITEMS, k=10, scoring=scoring)
    exclude = torch.cat([best.items[:, :6], torch.zeros(4, 1).long(), best.items[:, :1]], dim=1)
    for excluded in (None, exclude):
        expected = _beam(model, codes, *histories, n_beams=N_ITEMS, k=N_ITEMS, scoring=scoring, exclude=excluded)
        found = _exact(model, codes, *histories, k=N_ITEMS, scoring=scoring, exclude=excluded, max_rows=12)
        assert torch.equal(found.items, expected.items)
        torch.testing.assert_close(found.scores, expected.scores, atol=1e-5, rtol=0)


def test_a_narrow_beam_never_scores_above_the_exact_result(model):
    codes, histories = _codes(), _histories()
    narrow = _beam(model, codes, *histories, n_beams=5, k=5)
    exact = _exact(model, codes, *histories, k=5)
    assert (exact.scores >= narrow.scores - 1e-5).all()
    assert not torch.equal(exact.items, narrow.items)


def test_equal_scores_keep_the_lower_item_across_chunks(model):
    torch.nn.init.zeros_(model.decoder_norm.weight)  # all logits are zero
    found = _exact(model, _codes(), *_histories(), k=7, max_rows=8)
    assert found.items.tolist() == [list(range(1, 8))] * 4


def test_too_few_items_end_in_item_zero(model):
    found = _exact(model, _codes(3), *_histories(), k=5)
    for items in found.items.tolist():
        assert sorted(items[:3]) == [1, 2, 3]
        assert items[3:] == [0, 0]
    assert (found.scores[:, 3:] == -torch.inf).all()


def test_a_trie_of_one_level_is_searched(model):
    tokens, mask = _histories()
    codes = torch.tensor([[0], [3], [0], [5]])
    with torch.no_grad():
        encoded = model.encode(tokens, mask)
    found = exact_search(model, Trie(codes), encoded, mask, starts=[1], sizes=[6], k=3)
    scores = exhaustive_scores(model, codes, tokens, mask, starts=[1], sizes=[6], scoring="level")
    assert found.items.tolist() == best_items(scores, 3)


def test_no_rows_at_a_time_are_refused(model):
    with pytest.raises(ConfigError, match="max_rows=0 is out of range; allowed: an integer >= 1"):
        _exact(model, _codes(), *_histories(), k=3, max_rows=0)
