"""TIGER serves items that came after training: the same trie as from scratch, planted new items found, clear refusals."""

import pytest
import torch

from tigerlite.config import InputError, to_dict
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.recommenders.trie import Trie
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

TINY = T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=32, n_heads=2, d_kv=16, d_ff=64, dropout=0.0)
PATHS = [[0, 0], [0, 1], [1, 0], [1, 2], [2, 1], [2, 2]]
NEW = [[1, 1], [0, 2]]


def bank(paths, sizes=(3, 3)) -> TokenizerBank:
    return TokenizerBank(torch.tensor([[[0, 0], *paths]]), SemanticVocab(sizes))


def trained() -> TIGER:
    """After item 1 follows, as far as the codes say, the path of the first new item, which no known item has."""
    torch.manual_seed(0)
    teacher = TIGER(to_dict(TIGERConfig(t5=TINY)), bank([*PATHS, *NEW]))
    optimizer = torch.optim.AdamW(teacher.parameters(), lr=5e-3)
    for _ in range(60):
        loss = teacher.token_losses(torch.tensor([[1], [2]]), torch.tensor([7, 3])).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model = TIGER(to_dict(TIGERConfig(t5=TINY)), bank(PATHS))
    model.t5.load_state_dict(teacher.t5.state_dict())
    return model.eval()


@pytest.fixture(scope="module")
def model() -> TIGER:
    return trained()


@pytest.fixture
def extended(model, tmp_path) -> TIGER:
    model.save(tmp_path)
    found = TIGER.load(tmp_path)
    found.use_bank(bank([*PATHS, *NEW]))
    return found


def test_a_new_item_is_recommended_first_where_its_path_is_the_most_likely(model, extended):
    history = torch.tensor([[1, 0]])
    assert 7 not in model.recommend(history, k=6).items[0].tolist()
    items, scores = extended.recommend(history, k=8)
    assert int(items[0, 0]) == 7
    assert sorted(items[0].tolist()) == list(range(1, 9))
    assert float(scores[0, 0]) > -0.5


def test_scores_of_known_items_do_not_change(model, extended):
    histories = torch.tensor([[1, 2], [3, 0]])
    before, after = model.recommend(histories, k=6), extended.recommend(histories, k=8)
    for row in range(2):
        scores = dict(zip(after.items[row].tolist(), after.scores[row].tolist(), strict=True))
        expected = dict(zip(before.items[row].tolist(), before.scores[row].tolist(), strict=True))
        assert {item: scores[item] for item in expected} == pytest.approx(expected, abs=1e-5)


def test_the_trie_and_tokens_equal_those_of_a_model_made_with_the_bank(extended):
    scratch = TIGER(to_dict(TIGERConfig(t5=TINY)), bank([*PATHS, *NEW]))
    for name, buffer in Trie(bank([*PATHS, *NEW]).primary).named_buffers():
        assert torch.equal(dict(extended.trie.named_buffers())[name], buffer)
    assert extended.trie.max_children == scratch.trie.max_children
    assert torch.equal(extended.item_tokens, scratch.item_tokens)
    assert {name for name, _ in extended.named_buffers()} == {name for name, _ in scratch.named_buffers()}


def test_a_new_item_may_be_in_a_history(extended):
    items, _ = extended.recommend(torch.tensor([[7, 8]]), k=6, exclude_history=True)
    assert sorted(items[0].tolist()) == [1, 2, 3, 4, 5, 6]


def test_an_extended_model_is_saved_with_its_items(extended, tmp_path):
    (tmp_path / "again").mkdir()
    extended.save(tmp_path / "again")
    loaded = TIGER.load(tmp_path / "again")
    history = torch.tensor([[1, 0]])
    assert torch.equal(loaded.recommend(history, k=8).items, extended.recommend(history, k=8).items)
    assert loaded.fingerprint == extended.fingerprint


def test_levels_of_other_sizes_are_refused(model):
    grown = bank([*PATHS, [1, 3], [0, 2]], sizes=(3, 4))
    message = r"levels \[3, 4\] but the model was trained on \[3, 3\]; extend the model's own bank"
    with pytest.raises(InputError, match=message):
        model.use_bank(grown)
    assert model.trie.n_items == len(PATHS)


def test_a_bank_with_other_codes_for_known_items_is_refused(model):
    for paths in (PATHS[:-1], [[2, 0], *PATHS[1:]]):
        with pytest.raises(InputError, match="the bank gives known items other codes"):
            model.use_bank(bank(paths))
