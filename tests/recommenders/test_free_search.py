"""Beam search without a trie: against every sequence of tokens scored one by one, and against transformers' generate."""

import itertools

import pytest
import torch

from tigerlite.config import ConfigError
from tigerlite.recommenders.free_search import FreeBeams, free_search
from tigerlite.recommenders.t5 import T5, T5Config

SIZES = [3, 2]
STARTS = [1, 4]
VOCAB_SIZE = 8  # 0, two levels, and two tokens that are no code
TINY = T5Config(n_encoder_layers=2, n_decoder_layers=2, d_model=16, n_heads=2, d_kv=8, d_ff=32, dropout=0.0)


@pytest.fixture
def model() -> T5:
    torch.manual_seed(0)
    return T5(TINY, VOCAB_SIZE).eval()


def histories(n_users: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, VOCAB_SIZE, (n_users, 5), generator=generator)
    mask = torch.arange(5) < torch.randint(1, 6, (n_users, 1), generator=generator)
    return tokens * mask, mask


def search(model: T5, tokens: torch.Tensor, mask: torch.Tensor, **options) -> FreeBeams:
    with torch.no_grad():
        encoded = model.encode(tokens, mask)
    return free_search(model, encoded, mask, starts=STARTS, sizes=SIZES, **options)


def every_sequence(model: T5, tokens: torch.Tensor, mask: torch.Tensor, choices: list, over_all: bool) -> torch.Tensor:
    """Log-probability (B, n) of each combination of `choices` (tokens per level), one forward pass each."""
    scores = []
    with torch.no_grad():
        for sequence in itertools.product(*choices):
            total = torch.zeros(len(tokens))
            decoder = torch.tensor([0, *sequence[:-1]]).expand(len(tokens), -1)
            logits = model(tokens, mask, decoder)
            for level, token in enumerate(sequence):
                kept = list(range(VOCAB_SIZE)) if over_all else list(choices[level])
                total += torch.log_softmax(logits[:, level, kept], -1)[:, kept.index(token)]
            scores.append(total)
    return torch.stack(scores, dim=1)


@pytest.mark.parametrize(
    ("followers", "over_all"), [("vocabulary", True), ("vocabulary", False), ("level", True), ("level", False)]
)
def test_a_wide_beam_holds_every_sequence_best_first(model, followers, over_all):
    levels = [range(start, start + size) for start, size in zip(STARTS, SIZES, strict=True)]
    choices = [range(VOCAB_SIZE)] * 2 if followers == "vocabulary" else levels
    normalised_over_all = over_all or followers == "vocabulary"
    expected = every_sequence(model, *histories(), choices, normalised_over_all)
    found = search(model, *histories(), n_beams=100, followers=followers, over_all=over_all)
    ranked = expected.sort(dim=1, descending=True)
    torch.testing.assert_close(found.scores, ranked.values, atol=1e-5, rtol=0)
    sequences = torch.tensor(list(itertools.product(*choices)))[ranked.indices]
    codes = sequences - torch.tensor(STARTS)
    codes[(codes < 0) | (codes >= torch.tensor(SIZES))] = -1
    assert torch.equal(found.codes, codes)


def test_a_narrow_beam_equals_unconstrained_generation_of_transformers(model):
    tokens, mask = histories()
    output = model.to_huggingface().generate(
        input_ids=tokens,
        attention_mask=mask.long(),
        num_beams=5,
        num_return_sequences=5,
        max_new_tokens=2,
        length_penalty=0.0,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_scores=True,
    )
    codes = output.sequences[:, 1:].view(len(tokens), 5, 2) - torch.tensor(STARTS)
    codes[(codes < 0) | (codes >= torch.tensor(SIZES))] = -1
    found = search(model, tokens, mask, n_beams=5)
    torch.testing.assert_close(found.scores, output.sequences_scores.view(-1, 5), atol=1e-4, rtol=0)
    assert torch.equal(found.codes, codes)


def test_equal_scores_keep_the_better_parent_then_the_lower_token(model):
    torch.nn.init.zeros_(model.decoder_norm.weight)  # all logits are zero
    found = search(model, *histories(1), n_beams=4, followers="level", over_all=False)
    assert found.codes.tolist() == [[[0, 0], [0, 1], [1, 0], [1, 1]]]


def test_wrong_settings_are_refused(model):
    with pytest.raises(ConfigError, match="followers='any' is unknown; allowed: level, vocabulary"):
        search(model, *histories(), n_beams=4, followers="any")
    with pytest.raises(ConfigError, match="n_beams=0 is out of range; allowed: an integer >= 1"):
        search(model, *histories(), n_beams=0)
