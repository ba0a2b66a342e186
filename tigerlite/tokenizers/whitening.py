"""The first step of a tokenizer, fitted on all items and saved with it: PCA with whitening, or centring and scaling.

MTGRec (arXiv 2504.04400): with centred embeddings X = U S V^T of N items, Z = X V_d diag(sqrt(N - 1) / s), so every
column of Z has unit sample variance. Fitted once and kept: a second fit may flip a sign and turn all codes into noise.
"""

import numpy as np
import torch
from torch import Tensor, nn

from tigerlite.config import InputError

# A direction whose spread is below this share of the largest is rounding noise of float32 embeddings.
_RANK_TOLERANCE = 1e-5


class Whitening(nn.Module):
    """Projects embeddings (B, D) on d principal directions of unit variance.

    Args:
        n_dimensions: width D of the embeddings.
        n_components: directions kept, d.

    >>> embeddings = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    >>> white = Whitening.fit(embeddings, 3)(embeddings)
    >>> [round(float(variance), 4) for variance in white.var(dim=0)]
    [1.0, 1.0, 1.0]
    """

    mean: Tensor
    components: Tensor

    def __init__(self, n_dimensions: int, n_components: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_dimensions))
        self.register_buffer("components", torch.zeros(n_dimensions, n_components))

    @classmethod
    def fit(
        cls, embeddings: Tensor | np.ndarray, n_components: int, *, setting: str = "tokenize.rqvae.whiten"
    ) -> "Whitening":
        """Fit on embeddings (N, D) in float64; a direction's sign makes its largest entry (first of equals) positive.

        Args:
            setting: where `n_components` comes from; named in the message.

        Raises:
            InputError: if the embeddings span fewer than `n_components` directions.
        """
        rows = torch.as_tensor(embeddings).to(torch.float64)
        mean = rows.mean(dim=0)
        _, spread, directions = torch.linalg.svd(rows - mean, full_matrices=False)
        rank = int((spread > _RANK_TOLERANCE * spread[0]).sum()) if spread[0] > 0 else 0
        if n_components > rank:
            raise InputError(
                f"{setting}={n_components}, but the embeddings of {rows.shape[0]} items x {rows.shape[1]} "
                f"dimensions span only {rank} directions; set it to at most {rank}, or 0 to switch whitening off"
            )
        directions, spread = directions[:n_components], spread[:n_components]
        largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
        whitening = cls(rows.shape[1], n_components)
        whitening.mean.copy_(mean)
        whitening.components.copy_((directions * largest.sign()).T * ((rows.shape[0] - 1) ** 0.5 / spread))
        return whitening

    def forward(self, embeddings: Tensor) -> Tensor:
        """Whitened embeddings (B, d) of embeddings (B, D)."""
        return (embeddings - self.mean) @ self.components


class Standardisation(nn.Module):
    """Moves embeddings (B, D) to mean 0 and divides all dimensions by one number, so that their average variance is 1.

    Distances keep their order; what changes is the scale. Unit-length text embeddings have a variance of 1 / D and a mean
    that is larger: an encoder's first steps then move all items alike, and every item falls on one code.

    Args:
        n_dimensions: width D of the embeddings.

    >>> embeddings = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    >>> Standardisation.fit(embeddings)(embeddings).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, n_dimensions: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_dimensions))
        self.register_buffer("scale", torch.ones(()))

    @classmethod
    def fit(cls, embeddings: Tensor | np.ndarray) -> "Standardisation":
        """Fit on embeddings (N, D) in float64; identical items are left at 0 unscaled."""
        rows = torch.as_tensor(embeddings).to(torch.float64)
        standardisation = cls(rows.shape[1])
        standardisation.mean.copy_(rows.mean(dim=0))
        spread = rows.var(dim=0).mean().sqrt() if len(rows) > 1 else rows.new_zeros(())
        standardisation.scale.copy_(torch.where(spread > 0, spread, 1.0))
        return standardisation

    def forward(self, embeddings: Tensor) -> Tensor:
        """Standardised embeddings (B, D) of embeddings (B, D)."""
        return (embeddings - self.mean) / self.scale
