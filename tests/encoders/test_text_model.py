"""Pooling on numbers worked by hand."""

import pytest
import torch

from tigerlite.encoders.text_model import POOLINGS

HIDDEN = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]], [[1.0, 0.0], [2.0, 0.0], [6.0, 3.0]]])
MASK = torch.tensor([[1, 1, 0], [1, 1, 1]])


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("mean", [[(1 + 3) / 2, (2 + 6) / 2], [(1 + 2 + 6) / 3, 3 / 3]]),
        ("cls", [[1, 2], [1, 0]]),
        ("last", [[3, 6], [6, 3]]),
    ],
)
def test_pooling_reads_real_tokens_only(pooling, expected):
    torch.testing.assert_close(POOLINGS[pooling](HIDDEN, MASK), torch.tensor(expected, dtype=torch.float32))
