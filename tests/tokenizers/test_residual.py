"""Residual quantisation: equals the loop, and the gradient consequence of the straight-through residual."""

import numpy as np
import pytest
import torch

from tigerlite.config import InputError
from tigerlite.losses.quantization import commitment_loss
from tigerlite.tokenizers.residual import ResidualQuantizer


def quantizer_and_latents(kind="ema", sizes=(8, 6, 5), width=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    quantizer = ResidualQuantizer(sizes, width, kind=kind)
    for level, codebook in enumerate(quantizer.codebooks):
        codebook.set_vectors(torch.randn(codebook.n_codes, width, generator=generator) / 2**level)
    return quantizer, torch.randn(50, width, generator=generator)


def vectors_of(quantizer):
    return [codebook.vectors.detach().double().numpy() for codebook in quantizer.codebooks]


def test_codes_equal_the_loop_over_items():
    from tests.reference.residual_quantization import quantize

    quantizer, latents = quantizer_and_latents()
    np.testing.assert_array_equal(quantizer.encode(latents), quantize(latents.numpy(), vectors_of(quantizer)))


def test_forward_and_encode_agree_and_the_sum_of_vectors_is_the_quantized_value():
    quantizer, latents = quantizer_and_latents()
    result = quantizer.eval()(latents)
    assert torch.equal(result.codes, quantizer.encode(latents))
    torch.testing.assert_close(result.quantized, result.vectors.sum(dim=0), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(result.residuals[1], latents - result.vectors[0], atol=1e-6, rtol=1e-6)


def test_encoder_gradient_is_reconstruction_plus_one_third_of_level_one_commitment():
    beta = 0.25
    quantizer, latents = quantizer_and_latents()
    quantizer.eval()
    latents.requires_grad_()
    target = torch.ones_like(latents)
    result = quantizer(latents)
    loss = ((result.quantized - target) ** 2).mean() + beta * commitment_loss(result.residuals, result.vectors)
    (found,) = torch.autograd.grad(loss, latents)
    with torch.no_grad():
        n = latents.numel()
        reconstruction = 2 * (result.vectors.sum(dim=0) - target) / n
        commitment = 2 * (latents - result.vectors[0]) / n
    torch.testing.assert_close(found, reconstruction + beta / 3 * commitment, atol=1e-6, rtol=1e-5)


def test_residuals_after_the_first_carry_no_gradient():
    quantizer, latents = quantizer_and_latents()
    latents.requires_grad_()
    residuals = quantizer.eval()(latents).residuals
    (first,) = torch.autograd.grad(residuals[0].sum(), latents, retain_graph=True)
    (later,) = torch.autograd.grad(residuals[1:].square().sum(), latents)
    assert torch.equal(first, torch.ones_like(latents))
    assert torch.equal(later, torch.zeros_like(latents))


def test_training_assigns_and_quantises_with_the_codebook_before_the_update():
    quantizer, latents = quantizer_and_latents()
    before = quantizer.eval()(latents)
    vectors = vectors_of(quantizer)
    trained = quantizer.train()(latents)
    assert torch.equal(trained.codes, before.codes)
    assert torch.equal(trained.vectors, before.vectors)
    assert all(np.abs(new - old).max() > 1e-3 for new, old in zip(vectors_of(quantizer), vectors, strict=True))


def test_evaluation_updates_nothing():
    quantizer, latents = quantizer_and_latents()
    state = {name: tensor.clone() for name, tensor in quantizer.state_dict().items()}
    quantizer.eval()(latents)
    quantizer.train().encode(latents)
    assert all(torch.equal(tensor, state[name]) for name, tensor in quantizer.state_dict().items())


def test_revival_fills_dead_codes_during_training():
    quantizer, latents = quantizer_and_latents(sizes=(8,))
    quantizer.codebooks[0].set_vectors(torch.cat([torch.zeros(1, 4), torch.full((7, 4), 100.0)]))
    quantizer.revive_after = 3
    used = [len(quantizer(latents).codes.unique()) for _ in range(4)]
    assert used[:3] == [1, 1, 1]
    assert used[3] > 4


def test_gradient_codebooks_survive_backward_after_a_revival():
    quantizer, latents = quantizer_and_latents(kind="gradient")
    quantizer.revive_after = 1
    for codebook in quantizer.codebooks:
        codebook.unused_steps.fill_(5)
    result = quantizer(latents)
    result.vectors.square().sum().backward()
    assert all(codebook.vectors.grad.abs().sum() > 0 for codebook in quantizer.codebooks)


def test_initialise_puts_every_level_on_the_centroids_of_what_reaches_it():
    from tigerlite.tokenizers.kmeans import kmeans

    quantizer, latents = quantizer_and_latents()
    quantizer.initialise(latents, seed=5)
    first = kmeans(latents.numpy(), 8, seed=5)
    np.testing.assert_array_equal(quantizer.codebooks[0].vectors.numpy(), first)
    residual = latents.numpy() - first[quantizer.encode(latents)[:, 0].numpy()]
    second = kmeans(residual, 6, seed=6)
    np.testing.assert_allclose(quantizer.codebooks[1].vectors.numpy(), second, atol=1e-5)


def test_initialise_refuses_fewer_items_than_codes():
    quantizer, latents = quantizer_and_latents()
    with pytest.raises(InputError, match=r"7 items cannot fill 8 codes; set tokenize.rqvae.codebook_sizes"):
        quantizer.initialise(latents[:7], seed=0)


def test_last_level_distances_are_those_of_the_residual():
    quantizer, latents = quantizer_and_latents()
    result = quantizer.eval()(latents)
    residual = result.residuals[-1].double()
    expected = (residual[:, None] - quantizer.codebooks[-1].vectors.double()).square().sum(dim=2)
    torch.testing.assert_close(quantizer.last_level_distances(latents).double(), expected, atol=1e-6, rtol=1e-5)
