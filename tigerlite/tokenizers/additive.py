"""Tokenizers fitted in closed form whose codebooks add up: residual k-means, product quantisation, its rotated form.

Normalised (and rotated) embeddings are quantised level after level; a level's codebook covers all columns (residual) or
a segment of them (product). Both are the same computation: subtract the chosen vector from the columns it covers.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from tigerlite.tokenizers.normalise import checked_embeddings, empty_normaliser
from tigerlite.tokenizers.space import AdditiveSpace

WEIGHTS = "tokenizer.safetensors"
META = "tokenizer.json"

# Items encoded at a time, and distances held at a time: 64 MiB of float32, however many items there are.
_CHUNK = 16384
_MAX_DISTANCES = 2**24


class AdditiveTokenizer(nn.Module):
    """Normalises, rotates, and gives every item the nearest vector of each level in turn.

    Args:
        method: member of the family that fitted it.
        settings: of that member, as primitives; `whiten` and `standardise` say what `normalise` is.
        n_dimensions: width D of the embeddings.
        normalise: fitted first step, to width d.
        codebooks: L tensors (K, d'), each covering d' columns.
        starts: first column of each codebook.
        width: of the latents; columns beyond d are zero (see `rqkmeans.py` for what uses them).
        rotation: (d, d) orthogonal, or None.
    """

    rotation: Tensor

    def __init__(
        self,
        *,
        method: str,
        settings: dict[str, Any],
        n_dimensions: int,
        normalise: nn.Module,
        codebooks: Sequence[Tensor],
        starts: Sequence[int],
        width: int,
        rotation: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.method, self.settings, self.n_dimensions = method, settings, n_dimensions
        self.normalise = normalise
        self.vectors = nn.ParameterList(nn.Parameter(vectors, requires_grad=False) for vectors in codebooks)
        self.starts, self.width = list(starts), width
        self.register_buffer("rotation", torch.empty(0) if rotation is None else rotation)
        self.eval()

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Codes per level."""
        return tuple(len(vectors) for vectors in self.vectors)

    @property
    def codebooks(self) -> list[np.ndarray]:
        """L arrays (K, width), whose chosen rows sum up to about the latent."""
        padded = []
        for start, vectors in zip(self.starts, self.vectors, strict=True):
            after = self.width - start - vectors.shape[1]
            padded.append(functional.pad(vectors, (start, after)).numpy())
        return padded

    @torch.no_grad()
    def encode(self, embeddings: Tensor | np.ndarray) -> Tensor:
        """Codes (N, L) int64 of embeddings (N, D), normalisation included.

        Raises:
            InputError: if the embeddings are not finite or of another width.
        """
        rows = checked_embeddings(embeddings, self.n_dimensions)
        return torch.cat([self._codes(self._latents(part)) for part in rows.split(_CHUNK)])

    @torch.no_grad()
    def latents(self, embeddings: Tensor | np.ndarray) -> Tensor:
        """What is quantised, (N, width), of embeddings (N, D)."""
        rows = checked_embeddings(embeddings, self.n_dimensions)
        return torch.cat([self._latents(part) for part in rows.split(_CHUNK)])

    def space(self, embeddings: Tensor | np.ndarray) -> AdditiveSpace:
        """Where codes of these items lie near each other."""
        return AdditiveSpace(self.latents(embeddings).numpy(), self.codebooks)

    def save(self, folder: Path) -> None:
        """Write vectors and first step; `load` reads them back."""
        state = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        save_file(state, Path(folder) / WEIGHTS)
        meta = {
            "kind": "additive",
            "method": self.method,
            "settings": self.settings,
            "n_dimensions": self.n_dimensions,
            "starts": self.starts,
            "width": self.width,
        }
        (Path(folder) / META).write_text(json.dumps(meta, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "AdditiveTokenizer":
        """The tokenizer that `save` wrote."""
        meta = json.loads((Path(folder) / META).read_text())
        state = load_file(Path(folder) / WEIGHTS)
        settings, n_dimensions = meta["settings"], meta["n_dimensions"]
        tokenizer = cls(
            method=meta["method"],
            settings=settings,
            n_dimensions=n_dimensions,
            normalise=empty_normaliser(n_dimensions, whiten=settings["whiten"], standardise=settings["standardise"]),
            codebooks=[state[f"vectors.{level}"] for level in range(len(meta["starts"]))],
            starts=meta["starts"],
            width=meta["width"],
            rotation=state["rotation"],
        )
        tokenizer.load_state_dict(state)
        return tokenizer

    def _latents(self, embeddings: Tensor) -> Tensor:
        rows = self.normalise(embeddings)
        if self.rotation.numel():
            rows = rows @ self.rotation
        return functional.pad(rows, (0, self.width - rows.shape[1]))

    def _codes(self, latents: Tensor) -> Tensor:
        residual, codes = latents.clone(), []
        for start, vectors in zip(self.starts, self.vectors, strict=True):
            part = residual[:, start : start + vectors.shape[1]]
            codes.append(nearest(part, vectors))
            part -= vectors[codes[-1]]
        return torch.stack(codes, dim=1)


def nearest(points: Tensor, vectors: Tensor, prices: Tensor | None = None) -> Tensor:
    """Row (B,) of the nearest of vectors (K, D) to each of points (B, D); ties go to the lower row, memory is bounded.

    Args:
        prices: (K,), added to the squared distances.

    >>> nearest(torch.tensor([[0.5], [0.6]]), torch.tensor([[0.0], [1.0]]))
    tensor([0, 1])
    """
    # |x|^2 is the same for all codes and would only add rounding.
    costs = vectors.square().sum(dim=1) + (0.0 if prices is None else prices)
    rows = max(1, _MAX_DISTANCES // len(vectors))
    return torch.cat([torch.addmm(costs, part, vectors.T, alpha=-2).argmin(dim=1) for part in points.split(rows)])
