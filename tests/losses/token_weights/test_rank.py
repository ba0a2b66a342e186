"""Rank is cross-entropy of logits divided by the temperature."""

import pytest
import torch
import torch.nn.functional as F

from tigerlite.config import ConfigError
from tigerlite.losses.objectives import LossContext
from tigerlite.losses.token_weights.rank import Rank, RankConfig


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.0])
def test_losses_are_those_of_logits_over_tau(temperature):
    generator = torch.Generator().manual_seed(0)
    states, head = torch.randn(5, 3, 4, generator=generator), torch.randn(7, 4, generator=generator)
    labels = torch.randint(0, 7, (5, 3), generator=generator)

    def cross_entropy(given: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy((given @ head.T).transpose(1, 2), labels, reduction="none")

    found = Rank(temperature)(states, labels[:, 0], LossContext(cross_entropy, lambda: states)).losses
    logits = (states @ head.T / temperature).transpose(1, 2)
    torch.testing.assert_close(found, F.cross_entropy(logits, labels, reduction="none"))


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ConfigError, match=r"temperature=0\.0 is out of range; allowed: a number > 0"):
        RankConfig(temperature=0.0)
