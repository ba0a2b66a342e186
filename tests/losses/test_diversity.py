"""The diversity term against the loop over a batch."""

import pytest
import torch

from tests.reference.letter_terms import diversity
from tigerlite.losses.diversity import diversity_loss

CODES = torch.tensor([0, 3, 3, 1, 4, 0])
POSITIVES = torch.tensor([3, 0, 2, 4, 1, 2])


def vectors() -> torch.Tensor:
    return torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()


def test_diversity_equals_the_loop():
    codebook = vectors()
    expected = diversity(codebook.tolist(), CODES.tolist(), POSITIVES.tolist())
    assert diversity_loss(codebook, CODES, POSITIVES).item() == pytest.approx(expected, rel=1e-5)


def test_a_step_draws_a_code_to_its_positive_and_away_from_the_others():
    codebook = vectors()
    diversity_loss(codebook, torch.tensor([0]), torch.tensor([1])).backward()
    moved = (codebook - 0.1 * codebook.grad).detach()
    before, after = codebook.detach() @ codebook.detach()[0], moved @ moved[0]
    assert (after - before).argmax() in (0, 1)
    softmax = [(products[1:] - products[1:].logsumexp(0))[0] for products in (before, after)]
    assert softmax[1] > softmax[0]
