"""TIGER with a causal encoder: one pass over a sequence gives each prefix what encoding that prefix alone gives."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.reference.prefix_chunks import prefix_targets
from tigerlite.config import ConfigError, to_dict
from tigerlite.data.dataset import RecDataset
from tigerlite.data.prefix_batches import PrefixBatch, gather_prefix_batch, plan_chunks
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

N_ITEMS = 12
MAX_HISTORY = 4
TINY = TIGERConfig(
    t5=T5Config(n_encoder_layers=2, n_decoder_layers=2, d_model=32, n_heads=2, d_kv=16, d_ff=64, dropout=0.0),
    max_history=MAX_HISTORY,
    encoder_attention="causal",
)
SEQUENCES = [[3, 1, 4, 1, 5], [9, 2], [6, 5, 3, 5], [8, 9, 7]]
VARIANTS = [
    {},
    {"user_token": False},
    {"head": "vocabulary", "label_smoothing": 0.1},
    {"head": "trie", "scoring": "trie"},
]


def model(**changes) -> TIGER:
    items = torch.arange(N_ITEMS)
    codes = torch.stack([items // 3, items % 3], dim=1)
    bank = TokenizerBank(torch.cat([torch.zeros(1, 2, dtype=torch.int64), codes])[None], SemanticVocab((4, 3)))
    torch.manual_seed(0)
    tiger = TIGER(to_dict(dataclasses.replace(TINY, **changes)), bank)
    tiger.n_beams = N_ITEMS
    return tiger.eval()


def padded(sequences: list[list[int]]) -> torch.Tensor:
    longest = max(map(len, sequences))
    return torch.tensor([sequence + [0] * (longest - len(sequence)) for sequence in sequences])


def one_by_one(tiger: TIGER, samples: list[tuple[list[int], int]]) -> torch.Tensor:
    """Losses of (history, target) pairs, each encoded alone and without padding."""
    return torch.cat([tiger.token_losses(torch.tensor([seen]), torch.tensor([target])) for seen, target in samples])


def prefixes(sequences: list[list[int]]) -> list[tuple[list[int], int]]:
    return [(items[:place], items[place]) for items in sequences for place in range(1, len(items))]


@pytest.mark.parametrize("changes", VARIANTS)
def test_losses_of_all_prefixes_equal_those_of_each_prefix_alone(changes):
    tiger = model(**changes)
    losses = tiger.prefix_losses(padded(SEQUENCES), torch.ones(len(SEQUENCES), dtype=torch.int64))
    torch.testing.assert_close(losses, one_by_one(tiger, prefixes(SEQUENCES)), atol=1e-5, rtol=1e-5)


def test_gradients_of_all_prefixes_equal_those_of_each_prefix_alone():
    tiger = model()
    parameters = list(tiger.t5.parameters())
    together = tiger.prefix_losses(padded(SEQUENCES), torch.ones(len(SEQUENCES), dtype=torch.int64)).mean()
    alone = one_by_one(tiger, prefixes(SEQUENCES)).mean()
    for found, expected in zip(
        torch.autograd.grad(together, parameters), torch.autograd.grad(alone, parameters), strict=True
    ):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def long_histories() -> RecDataset:
    """Training parts of 1 to 14 items, up to three and a half times what the model reads."""
    lengths = np.arange(1, 15)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    names = [str(number) for number in range(N_ITEMS)]
    return RecDataset(
        items=np.random.default_rng(0).integers(1, N_ITEMS + 1, offsets[-1]).astype(np.int32),
        offsets=offsets,
        train_ends=offsets[1:],
        validation=np.empty((0, 2), dtype=np.int64),
        test=np.empty((0, 2), dtype=np.int64),
        user_ids=[str(number) for number in lengths],
        item_ids=names,
        titles=names,
    )


def test_targets_beyond_the_models_length_see_the_end_of_their_history_from_its_own_first_item():
    tiger, dataset = model(), long_histories()
    chunks = plan_chunks(dataset, MAX_HISTORY)
    batch = gather_prefix_batch(torch.from_numpy(dataset.items), torch.from_numpy(chunks), len(chunks))
    parts = [part.tolist() for part in np.split(dataset.items, dataset.offsets[1:-1])]
    expected = [(context, target) for _, context, target in prefix_targets(parts, MAX_HISTORY)]
    assert max(len(context) for context, _ in expected) == MAX_HISTORY
    losses = tiger.prefix_losses(batch.sequences, batch.first)
    torch.testing.assert_close(losses, one_by_one(tiger, expected), atol=1e-5, rtol=1e-5)


def test_shares_of_a_batch_average_to_the_mean_over_all_its_targets(monkeypatch):
    tiger = model()
    monkeypatch.setattr(tiger, "log", lambda *given, **named: None)
    first = torch.ones(len(SEQUENCES), dtype=torch.int64)
    shares = [slice(0, 1), slice(1, 4)]
    n_targets = torch.tensor(len(prefixes(SEQUENCES)) / len(shares))
    losses = [
        tiger.training_step(PrefixBatch(padded(SEQUENCES)[share], first[share], n_targets), 0) for share in shares
    ]
    whole = tiger.prefix_losses(padded(SEQUENCES), first).mean()
    torch.testing.assert_close(torch.stack(losses).mean(), whole)


def test_batch_equals_single_whatever_the_padding():
    tiger = model()
    histories = padded([[1, 2, 3, 4], [5], [6, 7]])
    together = tiger.recommend(histories, k=6)
    for row, length in enumerate((4, 1, 2)):
        alone = tiger.recommend(histories[row : row + 1, :length], k=6)
        assert alone.items[0].tolist() == together.items[row].tolist()
        torch.testing.assert_close(alone.scores[0], together.scores[row], atol=1e-5, rtol=0)


def test_scores_are_the_log_probabilities_that_training_lowers():
    tiger = model()
    items, scores = tiger.recommend(torch.tensor([[3, 1, 4]]), k=N_ITEMS)
    losses = one_by_one(tiger, [([3, 1, 4], item) for item in items[0].tolist()])
    torch.testing.assert_close(scores[0], -losses.sum(dim=1), atol=1e-4, rtol=0)


def test_a_planted_successor_is_learned_from_whole_sequences():
    tiger = model().train()
    walks = (torch.arange(N_ITEMS)[:, None] + torch.arange(MAX_HISTORY + 1)) % N_ITEMS + 1
    optimizer = torch.optim.AdamW(tiger.parameters(), lr=5e-3)
    for _ in range(120):
        loss = tiger.prefix_losses(walks, torch.ones(N_ITEMS, dtype=torch.int64)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1
    for length in range(1, MAX_HISTORY + 1):
        items, _ = tiger.recommend(walks[:, :length], k=3)
        assert items[:, 0].tolist() == walks[:, length].tolist()


def test_an_end_token_is_refused():
    with pytest.raises(ConfigError, match="eos=True is out of range; allowed: false with encoder_attention=causal"):
        TIGERConfig(encoder_attention="causal", eos=True, head="vocabulary")
    with pytest.raises(ConfigError, match="encoder_attention='casual' is unknown; .* did you mean 'causal'"):
        TIGERConfig(encoder_attention="casual")
