"""How a gradient passes a choice of codes, which has none of its own.

- straight_through: the chosen vector counts as the latent plus a constant, so the latent gets the vector's gradient.
- rotation (arXiv 2410.06424, Section 4): the chosen vector q counts as lambda R e, with R the rotation that turns the
  latent e onto q and lambda = |q| / |e|, both constants. The latent gets lambda R^T times the gradient: it keeps the angle
  that the gradient has with q. With r = (e/|e| + q/|q|) normalised, R = I - 2 r r^T + 2 (q/|q|) (e/|e|)^T.
- gumbel (arXiv 1611.01144): codes are drawn with probability proportional to exp(-|e - e_k|^2 / temperature); values are
  those of the drawn vector, the gradient is that of the mixture softmax(-|e - e_k|^2 / temperature + noise).

Of the values none differs from `straight_through` but gumbel's, whose codes are noisy in training. Its temperature
divides the distances alone, so that noise and mixture vanish together as it goes to 0; the usual form divides the noise too
and draws codes at random where latents lie closer to each other than 1.
"""

import torch
from torch import Tensor

ASSIGNMENTS = ("straight_through", "rotation", "gumbel")

# Below this norm a direction is rounding noise.
_SMALLEST = 1e-6


def straight_through(latents: Tensor, chosen: Tensor) -> Tensor:
    """Values of `chosen` (B, D), gradient to latents (B, D) as if they were it."""
    return latents + (chosen - latents).detach()


def rotated(latents: Tensor, chosen: Tensor) -> Tensor:
    """Values of `chosen` (B, D), gradient to latents (B, D) turned and scaled as latents are turned onto it.

    Where either is 0 or they point in opposite directions there is no such rotation: straight-through.

    >>> latents = torch.tensor([[1.0, 0.0]], requires_grad=True)
    >>> rotated(latents, torch.tensor([[0.0, 2.0]])).backward(torch.tensor([[0.0, 1.0]]))
    >>> [round(value, 4) for value in latents.grad[0].tolist()]  # along `chosen` becomes along the latent, twice as long
    [2.0, 0.0]
    """
    with torch.no_grad():
        lengths, target_lengths = latents.norm(dim=1, keepdim=True), chosen.norm(dim=1, keepdim=True)
        directions = latents / lengths.clamp(min=_SMALLEST)
        targets = chosen / target_lengths.clamp(min=_SMALLEST)
        middles = directions + targets
        widths = middles.norm(dim=1, keepdim=True)
        middles = middles / widths.clamp(min=_SMALLEST)
        turns = (lengths > _SMALLEST) & (target_lengths > _SMALLEST) & (widths > _SMALLEST)
        scales = target_lengths / lengths.clamp(min=_SMALLEST)
    turned = latents - 2 * middles * (middles * latents).sum(dim=1, keepdim=True)
    turned = scales * (turned + 2 * targets * (directions * latents).sum(dim=1, keepdim=True))
    passing = torch.where(turns, turned, latents)
    # The value is `chosen` itself, not what rounding made of it.
    return passing + (chosen - passing).detach()


def gumbel_mixture(distances: Tensor, temperature: float, noise: Tensor | None = None) -> Tensor:
    """Weights (B, K) of the codes; the largest of a row is the code that is drawn.

    Args:
        distances: squared, (B, K).
        temperature: > 0; the smaller, the likelier the nearest code.
        noise: (B, K) from the standard Gumbel distribution; None = drawn from torch's generator.
    """
    if noise is None:
        # Exponential draws of exactly 0 would be infinite noise.
        noise = -torch.empty_like(distances).exponential_().clamp(min=torch.finfo(distances.dtype).tiny).log()
    return torch.softmax(noise - distances / temperature, dim=1)
