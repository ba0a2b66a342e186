"""New items take at most their share of every beginning of a list, behind items whose first codes they share."""

import numpy as np
import pytest
import torch

from tigerlite.config import InputError
from tigerlite.recommenders.base import Recommendations
from tigerlite.recommenders.baselines.popularity import Popularity
from tigerlite.recommenders.new_item_share import NewItemShare
from tigerlite.recommenders.tiger import TIGER
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

N_ITEMS = 40
NEW = tuple(range(31, 41))
SMALL = {"t5": {"n_encoder_layers": 1, "n_decoder_layers": 1, "d_model": 8, "d_ff": 8, "n_heads": 2}}


@pytest.fixture
def model() -> TIGER:
    """40 items on 4 x 4 x 4 paths; items 31 to 40 are new."""
    torch.manual_seed(0)
    paths = np.random.default_rng(0).permutation(64)[:N_ITEMS]
    codes = np.stack(np.unravel_index(paths, (4, 4, 4)), axis=1)
    rows = torch.from_numpy(np.concatenate([np.zeros((1, 3), dtype=np.int64), codes]))
    return TIGER(SMALL, TokenizerBank(rows[None], SemanticVocab((4, 4, 4)))).eval()


def fixed(model: TIGER, items: list[int]) -> TIGER:
    """The same model, always answering with these items."""
    answer = Recommendations(torch.tensor([items]), -torch.arange(1.0, len(items) + 1)[None])
    model.recommend = lambda histories, k, times=None, exclude_history=False: Recommendations(
        answer.items[:, :k], answer.scores[:, :k]
    )
    return model


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("n_codes", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_every_beginning_of_a_list_keeps_to_the_share_and_the_others_keep_their_order(model, share, n_codes, seed):
    ranked = (np.random.default_rng(seed).permutation(30)[:20] + 1).tolist()
    share_of = NewItemShare(fixed(model, ranked), NEW, share, n_codes)
    (items,) = share_of.recommend(torch.tensor([[1, 2]]), 20).items.tolist()
    added = [place for place, item in enumerate(items) if item in NEW]
    kept = [item for item in items if item not in NEW]
    assert kept == ranked[: len(kept)]
    assert len(set(items)) == 20
    prefixes = [tuple(path) for path in model.codes[:, :n_codes].tolist()]
    for place, item in enumerate(items):
        n_before = sum(other < place for other in added)
        allowed = int(share * (place + 1) + 1e-9) > n_before
        seen = {prefixes[other] for other in items[:place] if other not in NEW}
        waiting = [new for new in NEW if prefixes[new] in seen and new not in items[:place]]
        if item in NEW:
            assert allowed
            assert item in waiting
        else:
            assert not (allowed and waiting)


def test_a_shorter_list_is_the_beginning_of_a_longer_one(model):
    share_of = NewItemShare(fixed(model, list(range(1, 21))), NEW, 0.3, 1)
    histories = torch.tensor([[1]])
    long, short = share_of.recommend(histories, 20).items, share_of.recommend(histories, 7).items
    assert (long > 30).any()
    assert torch.equal(long[:, :7], short)


def test_new_items_have_the_score_of_what_brought_them(model):
    share_of = NewItemShare(fixed(model, list(range(1, 21))), NEW, 0.5, 1)
    items, scores = (row[0].tolist() for row in share_of.recommend(torch.tensor([[1]]), 20))
    first = model.codes[:, 0].tolist()
    for item, score in zip(items, scores, strict=True):
        bringer = item if item not in NEW else next(other for other in range(1, 21) if first[other] == first[item])
        assert score == -bringer


def test_what_the_model_writes_itself_or_the_user_has_had_does_not_come_again(model):
    first = model.codes[:, 0].tolist()
    written = next(item for item in NEW if sum(first[other] == first[item] for other in NEW) > 1)
    other = next(item for item in NEW if first[item] == first[written] and item != written)
    share_of = NewItemShare(fixed(model, [written, 1, 2, 3, 4, 5, 6, 7]), NEW, 1.0, 1)
    (items,) = share_of.recommend(torch.tensor([[other, 9]]), 8, exclude_history=True).items.tolist()
    assert items[0] == written
    assert items.count(written) == 1
    assert other not in items
    assert other in share_of.recommend(torch.tensor([[other, 9]]), 8).items[0].tolist()


def test_places_that_nothing_fills_stay_empty(model):
    share_of = NewItemShare(fixed(model, [1, 2, 0, 0]), (), 0.5)
    items, scores = share_of.recommend(torch.tensor([[1]]), 4)
    assert items.tolist() == [[1, 2, 0, 0]]
    assert scores[0, 2:].tolist() == [-torch.inf] * 2


def test_a_trained_models_lists_hold_new_items(model):
    share_of = NewItemShare(model, NEW, 0.5, 1)
    assert share_of.name == "tiger_new_items"
    items = share_of.recommend(torch.tensor([[1, 2, 3], [4, 0, 0]]), 10).items
    assert items.shape == (2, 10)
    assert (items > 30).any(dim=1).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"share": 0.0}, "the share of new items is 0.0; allowed: a number in"),
        ({"share": 1.5}, "the share of new items is 1.5"),
        ({"n_codes": 0}, r"should share 0 codes; allowed: an integer in \[1, 2\]"),
        ({"n_codes": 3}, "should share 3 codes"),
    ],
)
def test_settings_out_of_range_are_refused(model, given, message):
    with pytest.raises(InputError, match=message):
        NewItemShare(model, NEW, **{"share": 0.1, **given})


def test_a_model_without_identifiers_is_refused():
    with pytest.raises(InputError, match="popularity writes none"):
        NewItemShare(Popularity(torch.tensor([0, 3, 1])), [2], 0.1)
