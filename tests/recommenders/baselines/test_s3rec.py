"""S3-Rec against a version written as loops; what its objectives look at."""

import pytest
import torch

from tests.reference.baseline_networks import s3rec_states
from tigerlite.config import ConfigError
from tigerlite.recommenders.baselines.s3rec import S3Rec, S3RecConfig, S3RecObjectives

SIZES = {"d_model": 8, "d_ff": 12}


@pytest.mark.parametrize("causal", [True, False])
def test_states_equal_loops_in_both_ways_of_reading(causal):
    torch.manual_seed(0)
    network = S3Rec(S3RecConfig(**SIZES), n_items=7, max_history=6).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    sequence = [3, 1, 8, 1, 2]
    with torch.no_grad():
        states = (network if causal else network.cloze_states)(torch.tensor([sequence]))[0]
        torch.testing.assert_close(states, s3rec_states(network, sequence, causal=causal), atol=1e-5, rtol=1e-4)


def test_weights_scale_the_objectives_and_items_without_features_have_no_attribute_loss():
    features = torch.tensor([[0, 0], [2, 3], [1, 0], [3, 0]])
    states, items = torch.randn(3, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 2, 3])
    found = []
    for weight in (1.0, 3.0):
        torch.manual_seed(0)
        config = S3RecConfig(**SIZES, aap_weight=weight, map_weight=weight, mip_weight=weight, sp_weight=weight)
        objectives = S3RecObjectives(config, features)
        assert objectives.attributes.num_embeddings == 2
        found.append(
            torch.stack(
                [
                    objectives.attribute_losses(states, items, masked=False),
                    objectives.attribute_losses(states, items, masked=True),
                    objectives.item_losses(states, states, states.flip(0)),
                    objectives.segment_losses(states, states, states.flip(0)),
                ]
            )
        )
    torch.testing.assert_close(found[1], 3 * found[0])
    assert (found[0][:2, 1] == 0).all()
    assert (found[0][:2, [0, 2]] > 0).all()


def test_out_of_range_settings_are_refused():
    with pytest.raises(ConfigError, match="sp_weight=-1 is out of range; allowed: a number >= 0"):
        S3RecConfig(sp_weight=-1)
