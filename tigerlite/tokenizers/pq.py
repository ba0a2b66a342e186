"""Product quantisation: the embedding is cut into contiguous segments and each has a k-means codebook of its own.

The identifiers that arXiv 2601.17787 tests its generality with (Section 5; code i belongs to segment i): four segments
of the text embedding, 256 codes each. The paper does not say how the codebooks are found; here it is k-means. Unlike
residual codes, the levels say nothing about each other: a prefix is no cluster of what follows.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tigerlite.config import to_dict
from tigerlite.tokenizers.additive import AdditiveTokenizer
from tigerlite.tokenizers.kmeans import kmeans
from tigerlite.tokenizers.levels import check_levels, segment_width
from tigerlite.tokenizers.normalise import checked_embeddings, fit_normaliser


@dataclass(frozen=True, kw_only=True)
class PQConfig:
    """Product quantisation."""

    codebook_sizes: tuple[int, ...] = (256, 256, 256, 256)
    """Codes per segment (four segments of 256, arXiv 2601.17787)."""
    whiten: int = 0
    """Principal directions kept by whitening, widest first; a multiple of the segments. 0 = off (arXiv 2601.17787)."""
    standardise: bool = True
    """Without whitening: centre the embeddings and scale them to average variance 1; changes no clustering."""
    iterations: int = 50
    """Of k-means in every segment."""
    seed: int = 0
    """Of the starting centroids."""

    def __post_init__(self) -> None:
        check_levels(self.codebook_sizes, whiten=self.whiten, iterations=self.iterations, seed=self.seed)


def fit(embeddings: Tensor | np.ndarray, config: PQConfig) -> AdditiveTokenizer:
    """The tokenizer of embeddings (N, D).

    Raises:
        InputError: if the dimensions do not divide into the segments, there are fewer items than codes, or the
            embeddings are not finite.

    >>> rows = np.array([[0, 0], [0, 9], [9, 0], [9, 9]], dtype=np.float32)
    >>> len(fit(rows, PQConfig(codebook_sizes=(2, 2))).encode(rows).unique(dim=0))
    4
    """
    rows = checked_embeddings(embeddings)
    section = "tokenize.pq"
    segment_width(config.whiten or rows.shape[1], len(config.codebook_sizes), section=section)
    normalise = fit_normaliser(rows, whiten=config.whiten, standardise=config.standardise, section=section)
    latents = normalise(rows)
    starts, codebooks = segment_codebooks(
        latents.numpy(), config.codebook_sizes, seed=config.seed, n_iterations=config.iterations, section=section
    )
    return AdditiveTokenizer(
        method="pq",
        settings=to_dict(config),
        n_dimensions=rows.shape[1],
        normalise=normalise,
        codebooks=codebooks,
        starts=starts,
        width=latents.shape[1],
    )


def segment_codebooks(
    latents: np.ndarray, codebook_sizes: tuple[int, ...], *, seed: int, n_iterations: int, section: str
) -> tuple[list[int], list[Tensor]]:
    """First column and centroids (K, d / L) of each of L equal segments of latents (N, d)."""
    width = segment_width(latents.shape[1], len(codebook_sizes), section=section)
    starts = [level * width for level in range(len(codebook_sizes))]
    codebooks = [
        kmeans(
            latents[:, start : start + width],
            size,
            seed=seed + level,
            n_iterations=n_iterations,
            setting=f"{section}.codebook_sizes",
        )
        for level, (start, size) in enumerate(zip(starts, codebook_sizes, strict=True))
    ]
    return starts, [torch.from_numpy(vectors) for vectors in codebooks]
