"""BERT4Rec against a version written as loops."""

import pytest
import torch

from tests.reference.baseline_networks import bert4rec_states
from tigerlite.config import ConfigError
from tigerlite.recommenders.baselines.bert4rec import BERT4Rec, BERT4RecConfig

MASK = 8


def network() -> BERT4Rec:
    torch.manual_seed(0)
    built = BERT4Rec(BERT4RecConfig(d_model=8, n_heads=2, d_ff=12), n_items=7, max_history=6).eval()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return built


def test_states_equal_loops_over_positions_and_heads():
    sequence = [3, 1, MASK, 1, 2]
    with torch.no_grad():
        found = network()(torch.tensor([sequence]))[0]
        torch.testing.assert_close(found, bert4rec_states(network(), sequence), atol=1e-5, rtol=1e-4)


def test_states_do_not_depend_on_padding():
    built = network()
    alone, padded = built(torch.tensor([[3, MASK]])), built(torch.tensor([[3, MASK, 0, 0]]))
    torch.testing.assert_close(padded[:, :2], alone, atol=1e-5, rtol=1e-5)


def test_a_mask_is_no_item_and_what_follows_it_matters():
    built = network()
    assert len(built.item_embeddings) == 7 + 1
    one, other = built(torch.tensor([[3, MASK, 5], [3, MASK, 6]]))[:, 1]
    assert (one - other).abs().max() > 1e-3


def test_out_of_range_settings_are_refused():
    with pytest.raises(ConfigError, match="mask_share=0 is out of range"):
        BERT4RecConfig(mask_share=0)
    with pytest.raises(ConfigError, match="n_heads=3 is out of range; allowed: a divisor of d_model=64"):
        BERT4RecConfig(n_heads=3)
