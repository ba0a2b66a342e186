"""SASRec against a version written as loops."""

import pytest
import torch

from tests.reference.next_item import sasrec_states
from tigerlite.config import ConfigError, InputError
from tigerlite.recommenders.baselines.sasrec import SASRec, SASRecConfig
from tigerlite.recommenders.dropout import Dropout


@pytest.mark.parametrize("n_heads", [1, 2])
def test_states_equal_loops_over_positions_and_heads(n_heads):
    torch.manual_seed(0)
    network = SASRec(SASRecConfig(d_model=8, n_heads=n_heads, d_ff=12), n_items=7, max_history=6).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    sequence = [3, 1, 7, 1, 2]
    with torch.no_grad():
        torch.testing.assert_close(
            network(torch.tensor([sequence]))[0], sasrec_states(network, sequence), atol=1e-5, rtol=1e-4
        )


def test_attention_that_can_drop_weights_equals_the_fused_one():
    torch.manual_seed(0)
    network = SASRec(SASRecConfig(d_model=8, n_heads=2), n_items=7, max_history=6)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    sequences = torch.tensor([[3, 1, 7, 1, 2], [2, 5, 0, 0, 0]])
    fused = network.eval()(sequences)
    network.train()
    for module in network.modules():  # the path that training takes, less the randomness
        if isinstance(module, Dropout):
            module.eval()
    torch.testing.assert_close(network(sequences), fused, atol=1e-5, rtol=1e-4)


def test_a_sequence_longer_than_the_positions_is_refused():
    network = SASRec(SASRecConfig(d_model=8), n_items=7, max_history=2)
    with pytest.raises(InputError, match="sequences have 3 items but the network reads 2"):
        network(torch.tensor([[1, 2, 3]]))


def test_out_of_range_sizes_are_refused():
    with pytest.raises(ConfigError, match="n_heads=3 is out of range; allowed: a divisor of d_model=64"):
        SASRecConfig(n_heads=3)
    with pytest.raises(ConfigError, match="dropout=1.0 is out of range"):
        SASRecConfig(dropout=1.0)
    with pytest.raises(ConfigError, match="n_layers=0 is out of range; allowed: an integer >= 1"):
        SASRecConfig(n_layers=0)
