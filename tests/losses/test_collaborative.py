"""The alignment term against the loop over items."""

import pytest
import torch

from tests.reference.letter_terms import alignment
from tigerlite.losses.collaborative import alignment_loss


def test_alignment_equals_the_loop_and_moves_the_latents_alone():
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(9, 4, generator=generator, requires_grad=True)
    embeddings = torch.randn(9, 4, generator=generator, requires_grad=True)
    loss = alignment_loss(latents, embeddings)
    assert loss.item() == pytest.approx(alignment(latents.tolist(), embeddings.tolist()), rel=1e-5)
    loss.backward()
    assert embeddings.grad is None
    assert latents.grad.abs().sum() > 0


def test_alignment_of_latents_that_tell_nothing_costs_the_log_of_the_batch():
    assert alignment_loss(torch.zeros(8, 3), torch.randn(8, 3)).item() == pytest.approx(torch.tensor(8.0).log().item())


def test_alignment_sums_in_float32_under_autocast():
    latents, embeddings = torch.randn(6, 4), torch.randn(6, 4)
    expected = alignment_loss(latents, embeddings)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(alignment_loss(latents, embeddings), expected)
