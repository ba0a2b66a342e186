"""Calibrated decoding: factors reach the right nodes, both searches agree, the file keeps them, 1 changes nothing."""

import dataclasses

import pytest
import torch

from tigerlite.config import to_dict
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

CODES = torch.tensor([[0, 0, 0], [2, 1, 0], [0, 1, 1], [0, 0, 2], [2, 1, 2], [1, 2, 0], [0, 1, 0]])
HISTORIES = torch.tensor([[1, 2, 3], [4, 5, 0], [6, 0, 0]])
TINY = TIGERConfig(
    t5=T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=16, n_heads=2, d_kv=8, d_ff=16, dropout=0.0)
)


def model(**changes) -> TIGER:
    torch.manual_seed(0)
    tiger = TIGER(
        to_dict(dataclasses.replace(TINY, **changes)), TokenizerBank(CODES[None], SemanticVocab((3, 3, 3)))
    ).eval()
    tiger.n_beams = 6
    return tiger


def by_prefix() -> torch.Tensor:
    """A factor for every prefix."""
    values: dict[tuple[int, ...], float] = {}
    table = torch.ones(7, 3)
    for item in range(1, 7):
        for level in range(3):
            prefix = tuple(CODES[item, : level + 1].tolist())
            table[item, level] = values.setdefault(prefix, 0.5 + 0.05 * len(values))
    return table


@pytest.mark.parametrize("decoding", ["beam", "exact"])
def test_scores_are_sums_of_calibrated_log_probabilities(decoding):
    tiger, factors = model(), by_prefix()
    tiger.set_calibration(factors)
    tiger.decoding = decoding
    items, scores = tiger.recommend(HISTORIES, k=6)
    for row in range(len(HISTORIES)):
        history = HISTORIES[row : row + 1].expand(6, -1)
        slow = -(factors[items[row]] * tiger.token_losses(history, items[row])).sum(dim=1)
        torch.testing.assert_close(scores[row], slow.detach(), atol=1e-4, rtol=0)
        assert sorted(scores[row].tolist(), reverse=True) == scores[row].tolist()


def test_factors_of_one_change_no_bit():
    plain, calibrated = model(), model()
    calibrated.set_calibration(torch.ones(7, 3))
    for before, after in zip(plain.recommend(HISTORIES, 6), calibrated.recommend(HISTORIES, 6), strict=True):
        assert torch.equal(before, after)


def test_a_saved_model_keeps_its_calibration(tmp_path):
    tiger = model()
    tiger.set_calibration(by_prefix())
    tiger.save(tmp_path)
    other = TIGER.load(tmp_path)
    other.n_beams = 6
    torch.testing.assert_close(other.recommend(HISTORIES, 6), tiger.recommend(HISTORIES, 6))
    assert other.fingerprint == tiger.fingerprint != model().fingerprint
