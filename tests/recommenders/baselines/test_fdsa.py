"""FDSA against a version written as loops."""

import pytest
import torch

from tests.reference.baseline_networks import fdsa_states
from tigerlite.config import ConfigError
from tigerlite.recommenders.baselines.fdsa import FDSA, FDSAConfig

FEATURES = {1: [2], 2: [2, 3, 4], 3: [1], 4: [3, 4]}


def network() -> FDSA:
    torch.manual_seed(0)
    table = torch.tensor([[0, 0, 0], *(row + [0] * (3 - len(row)) for row in FEATURES.values())])
    built = FDSA(FDSAConfig(d_model=8, d_ff=12), n_items=4, max_history=6, features=table).eval()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return built


def test_states_equal_loops_over_positions_and_features():
    built, sequence = network(), [2, 4, 3, 1, 2]
    with torch.no_grad():
        found = built(torch.tensor([sequence]))[0]
    torch.testing.assert_close(found, fdsa_states(built, sequence, FEATURES), atol=1e-5, rtol=1e-4)


def test_an_item_without_features_has_the_embedding_of_none():
    built = network()
    torch.testing.assert_close(built.pool(torch.tensor([[3]]))[0, 0], built.pool.embeddings.weight[1])


def test_features_alone_change_a_state():
    built, sequence = network(), torch.tensor([[2, 1]])
    before = built(sequence)
    built.pool.features[1, 0] = 4
    assert (built(sequence) - before)[0, 1].abs().max() > 1e-3


def test_out_of_range_sizes_are_refused():
    with pytest.raises(ConfigError, match="n_layers=0 is out of range"):
        FDSAConfig(n_layers=0)
