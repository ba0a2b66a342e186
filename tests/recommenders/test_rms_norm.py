"""The written-out normalisation against torch's composed one."""

import pytest
import torch
from torch import nn

from tigerlite.recommenders.rms_norm import RMSNorm


def both(shape, dtype=torch.float32):
    torch.manual_seed(0)
    ours, theirs = RMSNorm(shape[-1], eps=1e-6, dtype=dtype), nn.RMSNorm(shape[-1], eps=1e-6, dtype=dtype)
    ours.weight.data = theirs.weight.data = torch.rand(shape[-1], dtype=dtype) + 0.5
    hidden, gradient = torch.randn(shape, dtype=dtype) * 3 + 1, torch.randn(shape, dtype=dtype)
    return ours, theirs, hidden, gradient


@pytest.mark.parametrize("shape", [(8,), (3, 8), (2, 5, 16), (2, 0, 4)])
def test_values_and_gradients_are_those_of_torch(shape):
    results = []
    ours, theirs, hidden, gradient = both(shape)
    for norm in (ours, theirs):
        leaf = hidden.clone().requires_grad_()
        out = norm(leaf)
        out.backward(gradient)
        results.append((out.detach(), leaf.grad, norm.weight.grad))
    for mine, wanted in zip(*results, strict=True):
        torch.testing.assert_close(mine, wanted)


def test_gradients_pass_the_check_by_finite_differences():
    norm, _, hidden, _ = both((3, 4), torch.float64)
    assert torch.autograd.gradcheck(norm, hidden.requires_grad_())


def test_tiny_states_are_kept_from_infinity_by_epsilon():
    norm = RMSNorm(4, eps=1e-6)
    hidden = torch.zeros(2, 4, requires_grad=True)
    norm(hidden).sum().backward()
    assert torch.equal(norm(hidden), torch.zeros(2, 4))
    torch.testing.assert_close(hidden.grad, torch.full((2, 4), 1e3))


def test_the_input_is_not_written_to():
    norm, _, hidden, gradient = both((3, 8))
    before = hidden.clone()
    norm(hidden.requires_grad_()).backward(gradient)
    assert torch.equal(hidden.detach(), before)


def test_half_precision_is_left_to_torch_which_sums_in_float32():
    norm, theirs, hidden, _ = both((3, 8), torch.bfloat16)
    assert torch.equal(norm(hidden), theirs(hidden))
