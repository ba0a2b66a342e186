"""The RQ-VAE's loss terms: hand-worked values and who gets a gradient."""

import torch

from tigerlite.losses.quantization import codebook_loss, commitment_loss, reconstruction_loss


def two_levels():
    residuals = torch.tensor([[[1.0, 2.0]], [[0.5, 0.0]]], requires_grad=True)  # (L=2, B=1, D=2)
    vectors = torch.tensor([[[0.0, 2.0]], [[0.5, 3.0]]], requires_grad=True)
    return residuals, vectors


def test_terms_are_means_over_levels_items_and_dimensions():
    residuals, vectors = two_levels()
    expected = (1**2 + 0**2 + 0**2 + 3**2) / 4
    assert commitment_loss(residuals, vectors).item() == expected
    assert codebook_loss(residuals, vectors).item() == expected
    assert reconstruction_loss(torch.tensor([[1.0, 4.0]]), torch.tensor([[0.0, 2.0]])).item() == (1**2 + 2**2) / 2


def test_commitment_moves_the_residuals_only():
    residuals, vectors = two_levels()
    commitment_loss(residuals, vectors).backward()
    assert vectors.grad is None
    assert residuals.grad.flatten().tolist() == [2 * 1 / 4, 0.0, 0.0, 2 * -3 / 4]


def test_the_codebook_term_moves_the_vectors_only():
    residuals, vectors = two_levels()
    codebook_loss(residuals, vectors).backward()
    assert residuals.grad is None
    assert vectors.grad.flatten().tolist() == [2 * -1 / 4, 0.0, 0.0, 2 * 3 / 4]
