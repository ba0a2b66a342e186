"""Block by block equals all logits at once, values and gradients."""

import pytest
import torch
from torch.nn import functional as F

from tigerlite.losses import catalogue_softmax
from tigerlite.losses.catalogue_softmax import catalogue_cross_entropy


def problem(n_items: int, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(n_items)
    states = torch.randn(7, 5, generator=generator) * scale
    items = torch.randn(n_items + 1, 5, generator=generator)
    return states.requires_grad_(), torch.randint(1, n_items + 1, (7,), generator=generator), items.requires_grad_()


@pytest.mark.parametrize("n_items", [1, 3, 4, 8, 9, 30])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_losses_and_gradients_equal_those_of_torch(n_items, scale, monkeypatch):
    monkeypatch.setattr(catalogue_softmax, "BLOCK", 4)
    states, targets, items = problem(n_items, scale)
    weights = torch.rand(7, generator=torch.Generator().manual_seed(0))
    expected = F.cross_entropy(states @ items[1:].T, targets - 1, reduction="none")
    slopes = torch.autograd.grad((expected * weights).sum(), (states, items))
    found = catalogue_cross_entropy(states, targets, items)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)
    for ours, theirs in zip(torch.autograd.grad((found * weights).sum(), (states, items)), slopes, strict=True):
        # Gradients of items are as large as the states: float32 rounds them accordingly.
        torch.testing.assert_close(ours, theirs, atol=1e-4 * max(1.0, scale / 10), rtol=1e-4)


def test_gradients_equal_finite_differences(monkeypatch):
    monkeypatch.setattr(catalogue_softmax, "BLOCK", 2)
    states, targets, items = problem(5)
    step, direction = 1e-2, torch.randn(items.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ends = [catalogue_cross_entropy(states, targets, items + side * step * direction).sum() for side in (1, -1)]
    slope = torch.autograd.grad(catalogue_cross_entropy(states, targets, items).sum(), items)[0]
    assert float((slope * direction).sum()) == pytest.approx(float(ends[0] - ends[1]) / (2 * step), rel=1e-2)
    assert (slope[0] == 0).all()


def test_autocast_rounds_the_products_only():
    states, targets, items = problem(50)
    exact = catalogue_cross_entropy(states, targets, items)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = catalogue_cross_entropy(states, targets, items)
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    torch.testing.assert_close(rounded, exact, atol=0.1, rtol=0.02)
    torch.autograd.grad(rounded.sum(), states)
