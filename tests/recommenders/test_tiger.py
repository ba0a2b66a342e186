"""TIGER learns a planted pattern, and its answers do not depend on batching, padding or where it was saved."""

import dataclasses

import pytest
import torch

from tigerlite.config import InputError, to_dict
from tigerlite.optim import OptimizerConfig
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

N_ITEMS = 12
TINY = TIGERConfig(
    t5=T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=32, n_heads=2, d_kv=16, d_ff=64, dropout=0.0),
    optimizer=OptimizerConfig(lr=5e-3, warmup_epochs=0),
    max_history=4,
)


def bank() -> TokenizerBank:
    """Twelve items on a grid of 4 x 3 codes."""
    items = torch.arange(N_ITEMS)
    codes = torch.stack([items // 3, items % 3], dim=1)
    return TokenizerBank(torch.cat([torch.zeros(1, 2, dtype=torch.int64), codes])[None], SemanticVocab((4, 3)))


def model(**changes) -> TIGER:
    torch.manual_seed(0)
    tiger = TIGER(to_dict(dataclasses.replace(TINY, **changes)), bank())
    tiger.n_beams = 12
    return tiger.eval()


def successor_histories(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Walks i, i+1, i+2 (cyclic) and the item that follows."""
    first = torch.arange(n) % N_ITEMS
    walk = (first[:, None] + torch.arange(4)) % N_ITEMS + 1
    return walk[:, :3], walk[:, 3]


@pytest.mark.parametrize(
    "changes", [{}, {"eos": True, "head": "vocabulary", "scoring": "vocabulary"}, {"user_token": False}]
)
def test_a_planted_successor_is_learned(changes):
    tiger = model(**changes).train()
    histories, targets = successor_histories(N_ITEMS)
    optimizer = torch.optim.AdamW(tiger.parameters(), lr=5e-3)
    for _ in range(150):
        loss = tiger.token_losses(histories, targets).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    items, _ = tiger.recommend(histories, k=3)
    assert items[:, 0].tolist() == targets.tolist()
    assert loss < 0.1


def test_batch_equals_single_whatever_the_padding():
    tiger = model()
    histories = torch.tensor([[1, 2, 3, 4], [5, 0, 0, 0], [6, 7, 0, 0]])
    together = tiger.recommend(histories, k=6)
    for row, length in enumerate((4, 1, 2)):
        alone = tiger.recommend(histories[row : row + 1, :length], k=6)
        assert alone.items[0].tolist() == together.items[row].tolist()
        torch.testing.assert_close(alone.scores[0], together.scores[row], atol=1e-5, rtol=0)


def test_only_the_most_recent_items_count():
    tiger = model()
    long = torch.tensor([[9, 8, 7, 1, 2, 3, 4]])
    assert tiger.recommend(long, k=5).items.tolist() == tiger.recommend(long[:, -4:], k=5).items.tolist()


def test_an_empty_history_is_answered_and_k_beyond_the_catalogue_is_not_filled_with_repeats():
    items, scores = model().recommend(torch.zeros(1, 1, dtype=torch.int64), k=15)
    assert sorted(items[0, :N_ITEMS].tolist()) == list(range(1, N_ITEMS + 1))
    assert items[0, N_ITEMS:].tolist() == [0, 0, 0]
    assert (scores[0, N_ITEMS:] == -torch.inf).all()


def test_exclusion_covers_the_whole_given_history_and_keeps_the_order_of_the_rest():
    tiger = model()
    history = torch.tensor([[1, 2, 3, 4, 5, 6]])
    everything = [item for item in tiger.recommend(history, k=12).items[0].tolist() if item > 6]
    assert tiger.recommend(history, k=6, exclude_history=True).items[0].tolist() == everything


def test_saved_and_loaded_models_answer_alike(tmp_path):
    tiger = model()
    tiger.save(tmp_path)
    other = TIGER.load(tmp_path)
    histories, _ = successor_histories(5)
    torch.testing.assert_close(other.recommend(histories, 5), tiger.recommend(histories, 5))
    assert other.fingerprint == tiger.fingerprint


def test_the_fingerprint_follows_whatever_answers_follow_from():
    changes = [{}, {"scoring": "trie"}, {"scoring": "vocabulary"}, {"max_history": 3}, {"encoder_attention": "causal"}]
    assert len({model(**change).fingerprint for change in changes}) == len(changes)
    assert model(valid_beams=30).fingerprint == model().fingerprint


def test_a_missing_model_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"model\.json does not exist; .* holds no trained model"):
        TIGER.load(tmp_path)


def test_recommend_leaves_the_mode_and_gradients_alone():
    tiger = model().train()
    tiger.recommend(torch.tensor([[1]]), k=2)
    assert tiger.training
    loss = tiger.token_losses(torch.tensor([[1]]), torch.tensor([2])).mean()
    loss.backward()
    assert tiger.t5.embedding.weight.grad is not None


def test_layout_is_user_token_items_end():
    tiger = model(eos=True, head="vocabulary")
    tokens, mask = tiger.encoder_input(torch.tensor([[1, 5], [2, 0]]))
    vocab = tiger.vocab
    level1, level2 = vocab.offsets
    user, end = vocab.user_token(0), vocab.eos
    assert tokens.tolist() == [
        [user, level1 + 0, level2 + 0, level1 + 1, level2 + 1, end],
        [user, level1 + 0, level2 + 1, end, 0, 0],
    ]
    assert mask.sum(dim=1).tolist() == [6, 4]


def test_level_loss_equals_cross_entropy_over_the_levels_tokens_of_the_full_logits():
    tiger = model()
    histories, targets = successor_histories(4)
    tokens, mask = tiger.encoder_input(histories)
    labels = tiger.item_tokens[targets]
    start = torch.cat([torch.zeros(4, 1, dtype=torch.int64), labels[:, :1]], dim=1)
    logits = tiger.t5(tokens, mask, start)
    slow = [
        torch.nn.functional.cross_entropy(
            logits[:, level, offset : offset + size], labels[:, level] - offset, reduction="none"
        )
        for level, (offset, size) in enumerate(zip(tiger.vocab.offsets, tiger.vocab.codebook_sizes, strict=True))
    ]
    torch.testing.assert_close(tiger.token_losses(histories, targets), torch.stack(slow, dim=1))
