"""Caser against filters that slide one place at a time."""

import pytest
import torch

from tests.reference.baseline_networks import caser_states
from tigerlite.config import ConfigError
from tigerlite.recommenders.baselines.caser import Caser, CaserConfig


def network(**sizes) -> Caser:
    torch.manual_seed(0)
    settings = {"d_model": 4, "window": 3, "n_horizontal": 2, "n_vertical": 2, **sizes}
    built = Caser(CaserConfig(**settings), n_items=7, max_history=6).eval()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    with torch.no_grad():
        built.items.weight[0] = 0
    return built


@pytest.mark.parametrize("window", [1, 3, 6])
def test_states_equal_sliding_filters_also_where_the_window_is_longer_than_the_history(window):
    built, sequence = network(window=window), [3, 1, 7, 2]
    with torch.no_grad():
        found = built(torch.tensor([sequence]))[0]
    torch.testing.assert_close(found, caser_states(built, sequence), atol=1e-5, rtol=1e-4)


def test_only_the_window_counts():
    built = network()
    one, other = built(torch.tensor([[3, 1, 7, 2], [5, 1, 7, 2]]))
    assert torch.equal(one[3], other[3])
    assert not torch.equal(one[2], other[2])


def test_items_are_scored_with_a_table_of_their_own_or_with_the_one_that_is_read():
    assert network().item_embeddings is not network().items.weight
    tied = network(tied=True)
    assert tied.item_embeddings is tied.items.weight


def test_out_of_range_sizes_are_refused():
    with pytest.raises(ConfigError, match="window=0 is out of range; allowed: an integer >= 1"):
        CaserConfig(window=0)
