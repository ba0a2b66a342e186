"""What every next-item network promises: causal states that do not depend on padding or on the batch."""

import pytest
import torch

from tigerlite.config import InputError
from tigerlite.recommenders.baselines import CLOZE, NETWORKS, build_network
from tigerlite.recommenders.nextitem_config import NextItemConfig

N_ITEMS = 9
CAUSAL = [name for name in NETWORKS if name not in CLOZE]


def features(n_items: int) -> torch.Tensor:
    """Two features of every item, so that any two of nine items differ in one."""
    items = torch.arange(n_items + 1)
    table = torch.stack([2 + items % 3, 5 + items // 3], dim=1)
    table[0] = 0
    return table


def network(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    built = build_network(name, NextItemConfig(network=name).section, N_ITEMS, 6, features(N_ITEMS))
    for parameter in built.parameters():  # away from the start, where nothing depends on much
        torch.nn.init.normal_(parameter, std=0.3)
    return built.eval()


@pytest.fixture(params=CAUSAL)
def states(request):
    return network(request.param)


def test_a_later_item_changes_no_earlier_state_and_its_own(states):
    sequence, changed = torch.tensor([[3, 1, 4, 1, 5, 9]]), torch.tensor([[3, 1, 4, 7, 5, 9]])
    before, after = states(sequence)[0], states(changed)[0]
    assert torch.equal(before[:3], after[:3])
    assert ((before[3:] - after[3:]).abs().amax(dim=1) > 1e-3).all()


def test_states_do_not_depend_on_padding_or_the_rest_of_the_batch(states):
    together = states(torch.tensor([[3, 1, 0, 0, 0], [2, 7, 1, 8, 2], [5, 0, 0, 0, 0]]))
    for row, sequence in enumerate([[3, 1], [2, 7, 1, 8, 2], [5]]):
        alone = states(torch.tensor([sequence]))[0]
        torch.testing.assert_close(together[row, : len(sequence)], alone, atol=1e-5, rtol=1e-5)


def test_the_order_of_items_matters(states):
    one, other = states(torch.tensor([[1, 2, 3], [2, 1, 3]]))[:, -1]
    assert (one - other).abs().max() > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_starts_near_equal_scores_and_with_an_empty_padding_row(name):
    torch.manual_seed(0)
    start = build_network(name, NextItemConfig(network=name).section, 1000, 6, features(1000)).eval()
    assert (start.item_embeddings[0] == 0).all()
    scores = start(torch.arange(1, 25).view(4, 6)) @ start.item_embeddings[1:].T
    assert 0 < scores.std() < 0.5


@pytest.mark.parametrize("name", NETWORKS)
def test_dropout_acts_in_training_only(name):
    built, sequence = network(name), torch.tensor([[3, 1, 4]])
    assert torch.equal(built(sequence), built(sequence))
    built.train()
    assert not torch.equal(built(sequence), built(sequence))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_trains_in_half_precision(name):
    built = network(name).train()
    with torch.autocast("cpu", torch.bfloat16):
        states = built(torch.tensor([[3, 1, 4, 1], [2, 7, 0, 0]]))
    states[:, :2].float().square().mean().backward()
    gradients = [weight.grad for weight in built.parameters() if weight.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0


def test_a_network_that_reads_features_is_not_built_without():
    with pytest.raises(InputError, match="network=fdsa reads features of the items and was given none"):
        build_network("fdsa", NextItemConfig(network="fdsa").section, N_ITEMS, 6)


@pytest.mark.parametrize("name", ["bert4rec", "fmlp", "hstu", "fdsa", "s3rec"])
def test_a_sequence_longer_than_the_positions_is_refused(name):
    longest = 7 if name in ("bert4rec", "s3rec") else 6
    with pytest.raises(
        InputError, match=f"sequences have {longest + 1} items but the network reads {longest}; cut them"
    ):
        network(name)(torch.ones(1, longest + 1, dtype=torch.int64))
