"""HGN against gates applied item by item."""

import pytest
import torch

from tests.reference.baseline_networks import hgn_states
from tigerlite.config import ConfigError
from tigerlite.recommenders.baselines.hgn import HGN, HGNConfig


@pytest.mark.parametrize("window", [1, 3, 6])
def test_states_equal_gates_applied_one_by_one(window):
    torch.manual_seed(0)
    network = HGN(HGNConfig(d_model=4, window=window), n_items=7, max_history=6).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    with torch.no_grad():
        network.items.weight[0] = 0
        found = network(torch.tensor([[3, 1, 7, 2]]))[0]
    torch.testing.assert_close(found, hgn_states(network, [3, 1, 7, 2]), atol=1e-5, rtol=1e-4)


def test_a_gate_of_nothing_leaves_user_and_item_product():
    network = HGN(HGNConfig(d_model=4, window=2), n_items=7, max_history=6).eval()
    with torch.no_grad():
        network.feature_gate.bias.fill_(-100.0)
        network.user.fill_(2.0)
        state = network(torch.tensor([[3, 1]]))[0, 1]
    torch.testing.assert_close(state, 2 + network.items.weight[3] + network.items.weight[1])


def test_out_of_range_sizes_are_refused():
    with pytest.raises(ConfigError, match="dropout=1 is out of range"):
        HGNConfig(dropout=1)
