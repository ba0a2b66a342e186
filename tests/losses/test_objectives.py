"""Weights of one are plain cross-entropy, and a table is looked up by target."""

import torch

from tigerlite.losses.objectives import LossContext, Weighted

LOSSES = torch.rand(6, 3, generator=torch.Generator().manual_seed(0))
TARGETS = torch.tensor([1, 2, 3, 1, 2, 3])


def terms(table: torch.Tensor) -> torch.Tensor:
    return Weighted(table)(LOSSES, TARGETS, LossContext(lambda states: states, lambda: LOSSES)).losses


def test_weights_of_one_are_plain_cross_entropy_bit_for_bit():
    for table in (torch.ones(1, 3), torch.ones(4, 3)):
        assert torch.equal(terms(table), LOSSES)
        assert torch.equal(terms(table).mean(), LOSSES.mean())


def test_every_target_has_the_weights_of_its_item():
    table = torch.arange(12.0).view(4, 3)
    assert torch.equal(terms(table), LOSSES * table[TARGETS])
    assert torch.equal(terms(table[2:3]), LOSSES * table[2])
