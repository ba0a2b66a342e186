"""HSTU against one pair of positions at a time."""

import pytest
import torch

from tests.reference.baseline_networks import hstu_states
from tigerlite.config import ConfigError
from tigerlite.recommenders.baselines.hstu import HSTU, HSTUConfig, time_buckets

SEQUENCE, TIMES = [3, 1, 7, 1, 2], [100, 100, 160, 90_000, 9_000_000]


def network(n_heads: int = 2, *, time_bias: bool = True) -> HSTU:
    torch.manual_seed(0)
    built = HSTU(HSTUConfig(d_model=8, n_heads=n_heads, time_bias=time_bias), n_items=7, max_history=6).eval()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return built


@pytest.mark.parametrize("times", [None, TIMES])
@pytest.mark.parametrize("n_heads", [1, 2])
def test_states_equal_loops_over_pairs_of_positions(n_heads, times):
    built = network(n_heads)
    given = None if times is None else torch.tensor([times])
    with torch.no_grad():
        found = built(torch.tensor([SEQUENCE]), given)[0]
    torch.testing.assert_close(found, hstu_states(built, SEQUENCE, times), atol=1e-4, rtol=1e-4)


def test_times_matter_where_they_are_asked_for():
    sequences, times = torch.tensor([SEQUENCE]), torch.tensor([TIMES])
    assert not torch.allclose(network()(sequences, times), network()(sequences))
    silent = network(time_bias=False)
    assert torch.equal(silent(sequences, times), silent(sequences))


def test_every_weight_gets_a_gradient_also_without_times():
    built = network()
    built(torch.tensor([SEQUENCE])).sum().backward()
    assert all(parameter.grad is not None for parameter in built.parameters())


def test_attention_takes_part_from_the_start():
    """A V is divided by n = 50 and tiny at first: LN's eps and the start of W_2 decide what is left of it."""
    torch.manual_seed(0)
    built = HSTU(HSTUConfig(), n_items=100, max_history=50).eval()
    layer, hidden = built.layers[0], built.items(torch.tensor([[3, 1, 7, 1, 2]])) * built.scale
    normed = []
    layer.attention_norm.register_forward_hook(lambda module, given, found: normed.append(found))
    added = layer(hidden, None) - hidden
    # .12 and .048; with eps 1e-5 and W_2 from N(0, .02^2) they are .039 and .0024.
    assert normed[0].std() > 0.08
    assert added.std() > 0.02 * hidden.std()


def test_buckets_grow_with_the_logarithm_and_end():
    assert time_buckets(torch.tensor([0, 1, 2, 2**60])).tolist() == [0, 0, 2, 128]  # ln 2 / .301 = 2.3


def test_out_of_range_sizes_are_refused():
    with pytest.raises(ConfigError, match="n_heads=5 is out of range; allowed: a divisor of d_model=64"):
        HSTUConfig(n_heads=5)
