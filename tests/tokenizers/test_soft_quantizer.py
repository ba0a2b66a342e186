"""Soft residual quantisation against the formulas written out, at its limit, and in low precision."""

import pytest
import torch

from tigerlite.config import InputError
from tigerlite.tokenizers.soft_quantizer import SoftQuantizer, squared_distances


def quantizer(temperature=0.5, sizes=(5, 4), width=3) -> SoftQuantizer:
    torch.manual_seed(0)
    made = SoftQuantizer(sizes, width, temperature)
    with torch.no_grad():
        for vectors in made.codebooks:
            vectors.copy_(torch.randn(vectors.shape))
    return made


def test_mixtures_residuals_and_their_gradients_follow_the_formulas():
    made = quantizer()
    latents = torch.randn(6, 3, requires_grad=True)
    found = made(latents)
    residual, total = latents, 0.0
    for level, vectors in enumerate(made.codebooks):
        distances = (residual[:, None] - vectors[None]).square().sum(dim=2)
        shares = torch.softmax(-distances / 0.5, dim=1)
        torch.testing.assert_close(found.shares[level], shares)
        assert found.codes[:, level].tolist() == shares.argmax(dim=1).tolist()
        total = total + shares @ vectors
        residual = residual - shares @ vectors
    torch.testing.assert_close(found.quantized, total)
    weights = [latents, *made.codebooks]
    ours = torch.autograd.grad(found.quantized.square().sum(), weights)
    theirs = torch.autograd.grad(total.square().sum(), weights)
    for mine, written in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, written)


def test_shares_of_an_item_sum_to_one_at_any_temperature():
    for temperature in (1e-6, 1e-3, 10.0):
        for shares in quantizer(temperature)(torch.randn(7, 3)).shares:
            torch.testing.assert_close(shares.sum(dim=1), torch.ones(7))


def test_at_a_small_temperature_the_sum_is_that_of_the_nearest_vectors():
    made, latents = quantizer(1e-5), torch.randn(20, 3)
    found = made(latents)
    hard = sum(vectors[codes] for vectors, codes in zip(made.codebooks, found.codes.unbind(1), strict=True))
    torch.testing.assert_close(found.quantized, hard)


def test_distances_keep_digits_that_the_expanded_square_loses():
    rows = torch.tensor([[100.0, 100.0]])
    vectors = rows + torch.tensor([[0.001, 0.0], [0.002, 0.0]])
    exact = (rows.double() - vectors.double()).square().sum(dim=1).float()
    torch.testing.assert_close(squared_distances(rows, vectors)[0], exact)
    expanded = (rows.square().sum() + vectors.square().sum(dim=1) - 2 * rows @ vectors.T)[0]
    assert not torch.allclose(expanded, exact, rtol=0.1, atol=0.0)


def test_a_row_that_is_a_vector_has_distance_0_and_a_finite_gradient():
    rows = torch.ones(1, 2, requires_grad=True)
    squared_distances(rows, torch.tensor([[1.0, 1.0], [0.0, 0.0]])).sum().backward()
    assert rows.grad.tolist() == [[2.0, 2.0]]


def test_autocast_changes_nothing():
    made, latents = quantizer(1e-3), torch.randn(9, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = made(latents)
    high = made(latents)
    assert torch.equal(low.shares[1], high.shares[1])
    assert low.quantized.dtype == torch.float32


def test_the_temperature_is_part_of_the_state():
    made = quantizer(0.25)
    other = quantizer(1.0)
    other.load_state_dict(made.state_dict())
    assert float(other.temperature) == 0.25


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_above_0_is_refused(temperature):
    with pytest.raises(InputError, match="allowed: a number > 0"):
        quantizer().set_temperature(temperature)
