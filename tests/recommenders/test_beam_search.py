import itertools

import pytest
import torch

from tests.reference.exhaustive_scoring import best_items, exhaustive_scores
from tests.reference.python_trie import PythonTrie
from tigerlite.config import ConfigError, InputError
from tigerlite.recommenders.beam_search import beam_search
from tigerlite.recommenders.scoring import SCORINGS, Beams
from tigerlite.recommenders.t5 import T5, T5Config
from tigerlite.recommenders.trie import Trie

SIZES = [6, 4, 5]
STARTS = [1, 7, 11]
VOCAB_SIZE = 18  # 0, three levels, and two tokens that are no code
N_ITEMS = 60
TINY = T5Config(n_encoder_layers=2, n_decoder_layers=2, d_model=16, n_heads=2, d_kv=8, d_ff=32, dropout=0.0)


def _model(seed: int = 0) -> T5:
    torch.manual_seed(seed)
    return T5(TINY, VOCAB_SIZE).eval()


def _codes(n_items: int = N_ITEMS, seed: int = 0) -> torch.Tensor:
    paths = torch.tensor(list(itertools.product(*map(range, SIZES))))
    order = torch.randperm(len(paths), generator=torch.Generator().manual_seed(seed))[:n_items]
    return torch.cat((torch.zeros(1, 3).long(), paths[order]))


def _histories(n_users: int = 5, length: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, VOCAB_SIZE, (n_users, length), generator=generator)
    lengths = torch.randint(1, length + 1, (n_users,), generator=generator)
    mask = torch.arange(length) < lengths[:, None]
    return tokens * mask, mask


def _search(model: T5, codes: torch.Tensor, tokens: torch.Tensor, mask: torch.Tensor, **options) -> Beams:
    with torch.no_grad():
        encoded = model.encode(tokens, mask)
    return beam_search(model, Trie(codes), encoded, mask, starts=STARTS, sizes=SIZES, **options)


@pytest.mark.parametrize("scoring", SCORINGS)
def test_beam_search_equals_exhaustive_search(scoring):
    model, codes, histories = _model(), _codes(), _histories()
    scores = exhaustive_scores(model, codes, *histories, starts=STARTS, sizes=SIZES, scoring=scoring)
    # 24 beams cover the widths of the inner levels (6 and 24): nothing is pruned before the last.
    found = _search(model, codes, *histories, n_beams=24, k=20, scoring=scoring)
    assert found.items.tolist() == best_items(scores, 20)
    torch.testing.assert_close(found.scores, scores.gather(1, found.items - 1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("scoring", SCORINGS)
def test_a_narrow_beam_finds_most_of_the_true_top(scoring):
    model, codes, histories = _model(), _codes(), _histories(n_users=20)
    scores = exhaustive_scores(model, codes, *histories, starts=STARTS, sizes=SIZES, scoring=scoring)
    found = _search(model, codes, *histories, n_beams=10, k=10, scoring=scoring)
    torch.testing.assert_close(found.scores, scores.gather(1, found.items - 1), atol=1e-4, rtol=0)
    pairs = zip(found.items.tolist(), best_items(scores, 10), strict=True)
    recall = sum(len(set(items) & set(best)) for items, best in pairs) / (20 * 10)
    assert recall >= 0.8  # 0.86 to 0.98 for these weights


def test_beam_search_equals_constrained_generation_of_transformers():
    model, codes, (tokens, mask) = _model(), _codes(), _histories()
    trie = PythonTrie(codes.tolist())

    def allowed_tokens(_user: int, so_far: torch.Tensor) -> list[int]:
        level = len(so_far) - 1
        prefix = [int(token) - start for token, start in zip(so_far[1:], STARTS, strict=False)]
        return [STARTS[level] + code for code in trie.children(prefix)]

    n_beams = 8  # narrow enough to prune at the second level
    output = model.to_huggingface().generate(
        input_ids=tokens,
        attention_mask=mask.long(),
        num_beams=n_beams,
        num_return_sequences=n_beams,
        max_new_tokens=3,
        length_penalty=0.0,
        do_sample=False,
        prefix_allowed_tokens_fn=allowed_tokens,
        return_dict_in_generate=True,
        output_scores=True,
    )
    paths = output.sequences[:, 1:] - torch.tensor(STARTS)
    items = torch.tensor([trie.node(path) for path in paths.tolist()]).view(len(tokens), n_beams)
    found = _search(model, codes, tokens, mask, n_beams=n_beams, k=n_beams, scoring="vocabulary")
    assert torch.equal(found.items, items)
    torch.testing.assert_close(found.scores, output.sequences_scores.view(items.shape), atol=1e-4, rtol=0)


@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize("n_beams", [7, 24])
def test_exclusion_equals_a_catalogue_without_these_items(scoring, n_beams):
    model, codes, (tokens, mask) = _model(), _codes(), _histories(n_users=4)
    best = _search(model, codes, tokens, mask, n_beams=24, k=6).items
    branch = sorted(PythonTrie(codes.tolist()).items_below((int(codes[best[0, 0], 0]),)))
    exclude = torch.zeros(4, max(8, len(branch) + 1), dtype=torch.int64)
    exclude[0, : len(branch)] = torch.tensor(branch)  # a whole subtree
    exclude[1, :6] = best[1]  # exactly the best items
    exclude[2, :3] = best[2, 0]  # one item, repeated
    found = _search(model, codes, tokens, mask, n_beams=n_beams, k=7, scoring=scoring, exclude=exclude)
    for user in range(4):
        kept = torch.tensor([item for item in range(N_ITEMS + 1) if item == 0 or item not in exclude[user].tolist()])
        rows = (tokens[user : user + 1], mask[user : user + 1])
        without = _search(model, codes[kept], *rows, n_beams=n_beams, k=7, scoring=scoring)
        assert found.items[user].tolist() == kept[without.items[0]].tolist()
        torch.testing.assert_close(found.scores[user], without.scores[0], atol=1e-5, rtol=0)


def test_results_do_not_depend_on_the_batch():
    model, codes, (tokens, mask) = _model(), _codes(), _histories(n_users=6)
    together = _search(model, codes, tokens, mask, n_beams=8, k=8)
    reversed_batch = _search(model, codes, tokens.flip(0), mask.flip(0), n_beams=8, k=8)
    assert torch.equal(together.items, reversed_batch.items.flip(0))
    for user in range(6):
        length = int(mask[user].sum())
        alone = _search(model, codes, tokens[user : user + 1, :length], mask[user : user + 1, :length], n_beams=8, k=8)
        assert torch.equal(together.items[user], alone.items[0])
        torch.testing.assert_close(together.scores[user], alone.scores[0], atol=1e-5, rtol=0)


def test_equal_scores_keep_lower_paths_inside_and_lower_items_at_the_end():
    model, codes, histories = _model(), _codes(), _histories(n_users=3)
    torch.nn.init.zeros_(model.decoder_norm.weight)  # all logits are zero
    n_beams = 5
    paths = sorted({tuple(path[:2]) for path in codes[1:].tolist() if path[0] < n_beams})[:n_beams]
    # Ordered prefixes survive at level 2; all of their items tie at the last level.
    expected = sorted(item for item in range(1, N_ITEMS + 1) if tuple(codes[item, :2].tolist()) in paths)[:n_beams]
    found = _search(model, codes, *histories, n_beams=n_beams, k=n_beams)
    assert found.items.tolist() == [expected] * 3
    everything = _search(model, codes, *histories, n_beams=N_ITEMS, k=N_ITEMS)
    assert everything.items.tolist() == [list(range(1, N_ITEMS + 1))] * 3


@pytest.mark.parametrize("n_items", [1, 3, 11])
def test_too_few_items_end_in_item_zero_and_never_repeat(n_items):
    found = _search(_model(), _codes(n_items), *_histories(), n_beams=20, k=15)
    n_found = min(n_items, 15)
    for items, scores in zip(found.items.tolist(), found.scores, strict=True):
        assert sorted(items[:n_found]) == list(range(1, n_items + 1))
        assert items[n_found:] == [0] * (15 - n_found)
        assert scores[:n_found].isfinite().all()
        assert (scores[n_found:] == -torch.inf).all()


def test_k_items_come_back_while_any_are_left_after_exclusion():
    model, codes, histories = _model(), _codes(), _histories()
    exclude = torch.arange(1, N_ITEMS - 3).expand(5, -1)  # leaves four items
    found = _search(model, codes, *histories, n_beams=6, k=6, exclude=exclude)
    for items in found.items.tolist():
        assert sorted(items[:4]) == list(range(N_ITEMS - 3, N_ITEMS + 1))
        assert items[4:] == [0, 0]


@pytest.mark.parametrize("scoring", SCORINGS)
def test_every_result_is_a_distinct_item_with_falling_scores(scoring):
    found = _search(_model(2), _codes(), *_histories(n_users=16), n_beams=13, k=13, scoring=scoring)
    for items in found.items.tolist():
        assert len(set(items)) == 13
        assert set(items) <= set(range(1, N_ITEMS + 1))
    assert (found.scores.diff(dim=1) <= 0).all()


def test_bfloat16_keeps_most_of_the_top_and_adds_scores_in_float32():
    model, codes, histories = _model(), _codes(), _histories(n_users=20)
    expected = _search(model, codes, *histories, n_beams=24, k=10)
    with torch.autocast("cpu", torch.bfloat16):
        found = _search(model, codes, *histories, n_beams=24, k=10)
    assert found.scores.dtype == torch.float32
    overlap = (
        sum(len(set(a) & set(b)) for a, b in zip(expected.items.tolist(), found.items.tolist(), strict=True)) / 200
    )
    assert overlap >= 0.8
    torch.testing.assert_close(found.scores, expected.scores, atol=0.2, rtol=0)


def test_a_trie_of_one_level_is_searched():
    model, histories = _model(), _histories()
    codes = torch.tensor([[0], [3], [0], [5]])
    with torch.no_grad():
        encoded = model.encode(*histories)
    found = beam_search(model, Trie(codes), encoded, histories[1], starts=[1], sizes=[6], n_beams=3, k=3)
    scores = exhaustive_scores(model, codes, *histories, starts=[1], sizes=[6], scoring="level")
    assert found.items.tolist() == best_items(scores, 3)


def test_unknown_scoring_is_refused():
    with pytest.raises(
        ConfigError, match=r"scoring='levle' is unknown; allowed: level, trie, vocabulary; did you mean 'level'\?"
    ):
        _search(_model(), _codes(), *_histories(), n_beams=4, k=4, scoring="levle")


def test_fewer_beams_than_results_are_refused():
    with pytest.raises(
        ConfigError, match="n_beams=4 is out of range; allowed: at least k = 5; raise n_beams or lower k"
    ):
        _search(_model(), _codes(), *_histories(), n_beams=4, k=5)


def test_no_results_are_refused():
    with pytest.raises(ConfigError, match="k=0 is out of range; allowed: an integer >= 1"):
        _search(_model(), _codes(), *_histories(), n_beams=4, k=0)


@pytest.mark.parametrize(
    ("starts", "sizes", "message"),
    [
        ([1, 7], [6, 4], "the trie has 3 levels but starts has 2 and sizes 2"),
        ([1, 6, 10], [5, 4, 5], r"the trie needs \(6, 4, 5\) codes per level but sizes are \(5, 4, 5\)"),
        (
            [1, 7, 14],
            [6, 4, 5],
            "the levels end at token 19 but the model has 18 tokens; use the model trained on this bank",
        ),
    ],
)
def test_a_vocabulary_that_does_not_fit_is_refused(starts, sizes, message):
    model, (tokens, mask) = _model(), _histories()
    with pytest.raises(InputError, match=message):
        beam_search(model, Trie(_codes()), model.encode(tokens, mask), mask, starts=starts, sizes=sizes, n_beams=4, k=4)
