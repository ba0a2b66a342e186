"""CFT adds the cross-entropy of what the history changes in the logits, with gradients through both passes."""

import pytest
import torch
import torch.nn.functional as F

from tigerlite.config import ConfigError
from tigerlite.losses.objectives import LossContext
from tigerlite.losses.token_weights.cft import CFT, CFTConfig
from tigerlite.losses.token_weights.position import position_weights


def test_losses_are_the_weighted_sum_over_logits_and_their_difference():
    generator = torch.Generator().manual_seed(0)
    states, empty = torch.randn(2, 5, 3, 4, generator=generator).requires_grad_().unbind(0)
    head, labels = torch.randn(7, 4, generator=generator), torch.randint(0, 7, (5, 3), generator=generator)

    def of_logits(logits: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits.transpose(1, 2), labels, reduction="none")

    context = LossContext(lambda given: of_logits(given @ head.T), lambda: empty)
    weights = position_weights(3, 0.25)[None]
    found = CFT(weights, 0.1)(states, labels[:, 0], context).losses
    expected = weights.float() * (of_logits(states @ head.T) + 0.1 * of_logits(states @ head.T - empty @ head.T))
    torch.testing.assert_close(found, expected)
    for branch in torch.autograd.grad(found.mean(), (states, empty)):
        assert branch.abs().max() > 1e-4


@pytest.mark.parametrize(
    ("changes", "message"), [({"beta": 2.0}, "beta=2.0 is out of range"), ({"weight": -1.0}, "a number >= 0")]
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        CFTConfig(**changes)
