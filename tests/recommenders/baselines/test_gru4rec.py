"""GRU4Rec against one cell after the other."""

import pytest
import torch

from tests.reference.next_item import gru4rec_states
from tigerlite.config import ConfigError
from tigerlite.recommenders.baselines.gru4rec import GRU4Rec, GRU4RecConfig


@pytest.mark.parametrize(("hidden", "n_layers"), [(8, 1), (12, 2)])
def test_states_equal_a_loop_of_cells(hidden, n_layers):
    torch.manual_seed(0)
    network = GRU4Rec(GRU4RecConfig(d_model=8, hidden=hidden, n_layers=n_layers), n_items=7, max_history=6).eval()
    sequence = [3, 1, 7, 1, 2]
    with torch.no_grad():
        torch.testing.assert_close(
            network(torch.tensor([sequence]))[0], gru4rec_states(network, sequence), atol=1e-6, rtol=1e-4
        )


def test_out_of_range_sizes_are_refused():
    with pytest.raises(ConfigError, match="hidden=0 is out of range; allowed: an integer >= 1"):
        GRU4RecConfig(hidden=0)
    with pytest.raises(ConfigError, match=r"dropout=-0.1 is out of range; allowed: a number in \[0, 1\)"):
        GRU4RecConfig(dropout=-0.1)
