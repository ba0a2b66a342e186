"""How a trained TIGER decodes: exactly or by a beam; and what it does not send between processes."""

import pytest
import torch

from tigerlite.config import ConfigError, to_dict
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

N_ITEMS = 40
TINY = T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=16, n_heads=2, d_kv=8, d_ff=32)
HISTORIES = torch.tensor([[1, 2, 3, 4], [5, 0, 0, 0], [6, 7, 0, 0]])


@pytest.fixture
def tiger() -> TIGER:
    torch.manual_seed(0)
    items = torch.arange(N_ITEMS)
    codes = torch.cat([torch.zeros(1, 2, dtype=torch.int64), torch.stack([items // 5, items % 5], dim=1)])
    return TIGER(to_dict(TIGERConfig(t5=TINY)), TokenizerBank(codes[None], SemanticVocab((8, 5)))).eval()


@pytest.mark.parametrize("exclude_history", [False, True])
def test_exact_decoding_equals_a_beam_as_wide_as_the_catalogue(tiger, exclude_history):
    tiger.n_beams = N_ITEMS
    expected = tiger.recommend(HISTORIES, k=12, exclude_history=exclude_history)
    tiger.n_beams, tiger.decoding = 1, "exact"
    found = tiger.recommend(HISTORIES, k=12, exclude_history=exclude_history)
    assert torch.equal(found.items, expected.items)
    torch.testing.assert_close(found.scores, expected.scores, atol=1e-5, rtol=0)


def test_exact_decoding_finds_what_a_narrow_beam_prunes(tiger):
    tiger.n_beams = 1  # greedy
    histories = torch.arange(1, N_ITEMS + 1)[:, None]
    narrow = tiger.recommend(histories, k=1)
    tiger.decoding = "exact"
    exact = tiger.recommend(histories, k=1)
    assert (exact.scores >= narrow.scores - 1e-5).all()
    assert (exact.scores > narrow.scores + 1e-3).any()


def test_ddp_broadcasts_no_buffer_of_the_catalogue(tiger):
    wrapped = {"codes", "item_tokens", "trie.first_child", "trie.codes", "trie.items", "trie.leaf_of_item"}
    assert wrapped <= set(tiger._ddp_params_and_buffers_to_ignore)
    assert not set(tiger._ddp_params_and_buffers_to_ignore) & {name for name, _ in tiger.named_parameters()}


def test_scores_of_a_beam_are_the_log_probabilities_that_training_maximises(tiger):
    tiger.n_beams = N_ITEMS
    items, scores = tiger.recommend(HISTORIES, k=N_ITEMS)
    for history, ranked, found in zip(HISTORIES, items, scores, strict=True):
        with torch.no_grad():
            losses = tiger.token_losses(history[history > 0].expand(N_ITEMS, -1), ranked).sum(dim=1)
        torch.testing.assert_close(found, -losses, atol=1e-5, rtol=1e-5)


def test_with_the_trie_as_head_the_probabilities_of_all_items_sum_to_one_and_are_those_of_decoding():
    torch.manual_seed(0)
    # An uneven trie: most codes lead nowhere.
    codes = torch.tensor([[0, 0, 0], [3, 0, 0], [3, 0, 4], [3, 2, 1], [1, 1, 1], [7, 2, 3]])
    config = TIGERConfig(t5=TINY, head="trie", scoring="trie")
    tiger = TIGER(to_dict(config), TokenizerBank(codes[None], SemanticVocab((8, 3, 5)))).eval()
    histories = torch.tensor([[1, 2, 5]]).expand(5, -1)
    with torch.no_grad():
        log_probs = -tiger.token_losses(histories, torch.arange(1, 6)).sum(dim=1)
    assert float(log_probs.exp().sum()) == pytest.approx(1, abs=1e-5)
    items, scores = tiger.recommend(histories[:1], k=5)
    torch.testing.assert_close(scores[0], log_probs[items[0] - 1], atol=1e-5, rtol=1e-5)


def test_a_code_without_alternative_costs_nothing_with_the_trie_as_head():
    torch.manual_seed(0)
    codes = torch.tensor([[0, 0], [0, 2], [1, 1], [1, 4]])
    config = TIGERConfig(t5=TINY, head="trie", scoring="trie")
    tiger = TIGER(to_dict(config), TokenizerBank(codes[None], SemanticVocab((2, 5)))).eval()
    losses = tiger.token_losses(torch.tensor([[1], [1]]), torch.tensor([1, 2]))
    assert losses[0, 1] == 0
    assert losses[1, 1] > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head": "trie"}, "scoring='level' is out of range; allowed: trie with head=trie"),
        ({"head": "trie", "scoring": "trie", "label_smoothing": 0.1}, "allowed: 0 with head=trie"),
    ],
)
def test_what_the_trie_as_head_cannot_do_is_one_line(settings, message):
    with pytest.raises(ConfigError, match=message):
        TIGERConfig(**settings)
