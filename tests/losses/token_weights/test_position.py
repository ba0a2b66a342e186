"""Position weights fall linearly to beta and have mean one."""

import pytest
import torch

from tigerlite.config import ConfigError
from tigerlite.losses.token_weights.position import PositionConfig, position_weights


@pytest.mark.parametrize(("n_tokens", "beta"), [(5, 0.5), (4, 0.25), (4, 1.0), (1, 0.3)])
def test_weights_are_those_of_the_formula_divided_by_their_mean(n_tokens, beta):
    raw = [1 - (1 - beta) * t / max(n_tokens - 1, 1) for t in range(n_tokens)]
    expected = torch.tensor(raw, dtype=torch.float64) * n_tokens / sum(raw)
    torch.testing.assert_close(position_weights(n_tokens, beta), expected)


def test_a_beta_out_of_range_is_refused():
    with pytest.raises(ConfigError, match=r"beta=1\.5 is out of range; allowed: a number in \[0, 1\]"):
        PositionConfig(beta=1.5)
