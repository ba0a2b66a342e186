"""FMLP-Rec's causal filter against the published circular one."""

import pytest
import torch

from tests.reference.baseline_networks import circular_filter
from tigerlite.config import ConfigError
from tigerlite.recommenders.baselines.fmlp import FilterLayer, FMLPConfig


@pytest.mark.parametrize("length", [1, 4, 5])
def test_the_last_state_of_every_prefix_is_that_of_the_circular_filter(length):
    torch.manual_seed(0)
    layer = FilterLayer(3, length, dropout=0.0)
    torch.nn.init.normal_(layer.spectrum)
    hidden = torch.randn(length, 3)
    with torch.no_grad():
        found = layer(hidden[None])[0]
        for n_items in range(1, length + 1):
            prefix = hidden[:n_items]
            expected = layer.norm(prefix + circular_filter(layer, prefix))[-1]
            torch.testing.assert_close(found[n_items - 1], expected, atol=1e-5, rtol=1e-4)


def test_the_circular_filter_would_show_later_items():
    torch.manual_seed(0)
    layer = FilterLayer(3, 4, dropout=0.0)
    torch.nn.init.normal_(layer.spectrum)
    hidden = torch.randn(4, 3)
    changed = torch.cat([hidden[:3], hidden[3:] + 1])
    assert (circular_filter(layer, hidden)[0] - circular_filter(layer, changed)[0]).abs().max() > 1e-3
    assert torch.equal(layer(hidden[None])[0, :3], layer(changed[None])[0, :3])


def test_out_of_range_sizes_are_refused():
    with pytest.raises(ConfigError, match="d_ff=0 is out of range"):
        FMLPConfig(d_ff=0)
