"""Values of every assignment are those of the codes; the rotation's gradient is the rotation's, Gumbel's goes to argmax."""

import pytest
import torch

from tigerlite.tokenizers.assignment import gumbel_mixture, rotated, straight_through
from tigerlite.tokenizers.residual import ResidualQuantizer


@pytest.fixture
def pairs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Latents (7, 5), what was chosen for them, and a gradient."""
    generator = torch.Generator().manual_seed(0)
    latents, chosen, gradient = (torch.randn(7, 5, generator=generator, dtype=torch.float64) for _ in range(3))
    return latents.requires_grad_(), chosen, gradient


def rotation(latent: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """The matrix that turns `latent` onto `chosen` in their plane, times the ratio of lengths: by angle, not by reflections."""
    first = latent / latent.norm()
    second = chosen - (chosen @ first) * first
    second = second / second.norm()
    cosine, sine = chosen @ first / chosen.norm(), chosen @ second / chosen.norm()
    plane = torch.outer(first, first) + torch.outer(second, second)
    turned = cosine * plane + sine * (torch.outer(second, first) - torch.outer(first, second))
    return (torch.eye(len(latent), dtype=latent.dtype) - plane + turned) * chosen.norm() / latent.norm()


def test_the_rotations_value_is_the_chosen_vector_and_its_gradient_is_turned_back(pairs):
    latents, chosen, gradient = pairs
    values = rotated(latents, chosen)
    assert torch.equal(values, chosen)
    values.backward(gradient)
    for row in range(len(latents)):
        matrix = rotation(latents[row].detach(), chosen[row])
        torch.testing.assert_close(matrix @ latents[row].detach(), chosen[row])
        torch.testing.assert_close(latents.grad[row], matrix.T @ gradient[row])


def test_the_rotation_keeps_the_angle_between_gradient_and_chosen_vector(pairs):
    latents, chosen, gradient = pairs
    rotated(latents, chosen).backward(gradient)
    cosine = torch.nn.functional.cosine_similarity
    torch.testing.assert_close(cosine(latents.grad, latents.detach()), cosine(gradient, chosen))


@pytest.mark.parametrize(
    ("latent", "chosen"), [([0.0, 0.0], [1.0, 0.0]), ([1.0, 0.0], [0.0, 0.0]), ([1.0, 0.0], [-3.0, 0.0])]
)
def test_where_no_rotation_is_defined_the_gradient_goes_straight_through(latent, chosen):
    latents, gradient = torch.tensor([latent], requires_grad=True), torch.tensor([[0.3, 0.4]])
    values = rotated(latents, torch.tensor([chosen]))
    assert torch.equal(values, torch.tensor([chosen]))
    values.backward(gradient)
    torch.testing.assert_close(latents.grad, gradient)


def test_straight_through_has_the_value_of_one_and_the_gradient_of_the_other(pairs):
    latents, chosen, gradient = pairs
    values = straight_through(latents, chosen)
    torch.testing.assert_close(values, chosen)
    values.backward(gradient)
    assert torch.equal(latents.grad, gradient)


def test_gumbel_becomes_the_nearest_code_as_the_temperature_goes_to_zero():
    distances = torch.rand(200, 9, generator=torch.Generator().manual_seed(0)) + torch.eye(9).repeat(23, 1)[:200] * -1
    nearest = torch.nn.functional.one_hot(distances.argmin(dim=1), 9).float()
    torch.manual_seed(0)
    errors = [(gumbel_mixture(distances, t) - nearest).abs().max().item() for t in (10.0, 1e-3, 1e-4)]
    assert errors[0] > 0.5
    assert errors[2] < 1e-6


def test_gumbel_draws_codes_by_the_softmax_of_their_distances():
    torch.manual_seed(0)
    distances = torch.tensor([0.0, 0.5, 2.0]).expand(40_000, 3)
    drawn = gumbel_mixture(distances, 0.7).argmax(dim=1).bincount(minlength=3) / 40_000
    torch.testing.assert_close(drawn, torch.softmax(-distances[0] / 0.7, dim=0), atol=0.01, rtol=0)


def quantizer(assignment: str, kind: str = "gradient") -> ResidualQuantizer:
    made = ResidualQuantizer((6, 5), 4, kind=kind)
    for level, codebook in enumerate(made.codebooks):
        vectors = torch.randn(codebook.n_codes, 4, generator=torch.Generator().manual_seed(level))
        codebook.set_vectors(vectors)
    made.assignment, made.temperature = assignment, 1e-4
    return made


@pytest.mark.parametrize("assignment", ["rotation", "gumbel"])
@pytest.mark.parametrize("kind", ["ema", "gradient"])
def test_a_quantisers_values_are_those_of_straight_through(assignment, kind):
    latents = torch.randn(30, 4, generator=torch.Generator().manual_seed(9), requires_grad=True)
    expected = quantizer("straight_through", kind)(latents)
    found = quantizer(assignment, kind)(latents)
    assert torch.equal(found.codes, expected.codes)
    torch.testing.assert_close(found.quantized, expected.quantized, atol=1e-5, rtol=1e-5)
    found.quantized.sum().backward()  # the moving average has changed the vectors since
    assert latents.grad.isfinite().all()


def test_a_residual_quantiser_turns_the_gradient_once_by_the_sum_of_its_vectors():
    latents = torch.randn(8, 4, generator=torch.Generator().manual_seed(9), requires_grad=True)
    result = quantizer("rotation")(latents)
    gradient = torch.ones(8, 4)
    (found,) = torch.autograd.grad(result.quantized, latents, gradient)
    total = result.vectors.sum(dim=0).detach()
    for row in range(8):
        expected = rotation(latents[row].detach(), total[row]).T @ gradient[row]
        torch.testing.assert_close(found[row], expected, atol=1e-4, rtol=1e-4)


def test_gumbel_passes_gradients_to_the_codebook_and_acts_in_training_alone():
    latents = torch.randn(30, 4, generator=torch.Generator().manual_seed(9))
    made = quantizer("gumbel")
    made.temperature = 1.0
    made(latents).quantized.square().sum().backward()
    assert all(codebook.vectors.grad.abs().sum() > 0 for codebook in made.codebooks)
    assert torch.equal(made.eval()(latents).codes, made.encode(latents))
