"""Optimised product quantisation: a rotation before `pq` that makes the segments share the spread and be independent.

Ge et al., "Optimized Product Quantization" (CVPR 2013), the non-parametric form, which faiss implements (`OPQMatrix`):
codebooks and rotation are improved in turn. faiss counts codes in bits and has one number of bits for all segments, so
all levels have the same size and it is a power of two. The codebooks kept are k-means of the rotated segments.
"""

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tigerlite.config import ConfigError, InputError, check, to_dict
from tigerlite.tokenizers.additive import AdditiveTokenizer
from tigerlite.tokenizers.levels import check_levels, segment_width
from tigerlite.tokenizers.normalise import checked_embeddings, fit_normaliser
from tigerlite.tokenizers.pq import segment_codebooks


@dataclass(frozen=True, kw_only=True)
class OPQConfig:
    """Rotated product quantisation."""

    codebook_sizes: tuple[int, ...] = (256, 256, 256, 256)
    """Codes per segment, all alike and a power of two (four segments of 256, as `pq`)."""
    whiten: int = 0
    """Principal directions kept by whitening; a multiple of the segments. 0 = off."""
    standardise: bool = True
    """Without whitening: centre the embeddings and scale them to average variance 1."""
    rotations: int = 50
    """Improvements of the rotation (faiss's default)."""
    iterations: int = 50
    """Of k-means in every segment, once the rotation is found."""
    seed: int = 0
    """Of the starting centroids; the first rotation is faiss's own."""

    def __post_init__(self) -> None:
        check_levels(self.codebook_sizes, whiten=self.whiten, iterations=self.iterations, seed=self.seed)
        check(self.rotations >= 1, "rotations", self.rotations, "an integer >= 1")
        sizes = set(self.codebook_sizes)
        if len(sizes) > 1 or min(sizes) < 2 or min(sizes).bit_count() != 1:
            raise ConfigError(
                f"codebook_sizes={list(self.codebook_sizes)} cannot be rotated; allowed: one power of two, at least 2, "
                "for all levels (pq takes any sizes)"
            )


def fit(embeddings: Tensor | np.ndarray, config: OPQConfig) -> AdditiveTokenizer:
    """The tokenizer of embeddings (N, D).

    Raises:
        InputError: if the dimensions do not divide into the segments, there are fewer items than codes, or the
            embeddings are not finite.
    """
    rows = checked_embeddings(embeddings)
    section, n_codes = "tokenize.opq", config.codebook_sizes[0]
    segment_width(config.whiten or rows.shape[1], len(config.codebook_sizes), section=section)
    if len(rows) < n_codes:
        raise InputError(
            f"{len(rows)} items cannot fill {n_codes} codes; set {section}.codebook_sizes to at most {len(rows)} codes per level"
        )
    normalise = fit_normaliser(rows, whiten=config.whiten, standardise=config.standardise, section=section)
    latents = normalise(rows)
    rotation = torch.from_numpy(_rotation(latents.numpy(), config))
    starts, codebooks = segment_codebooks(
        (latents @ rotation).numpy(),
        config.codebook_sizes,
        seed=config.seed,
        n_iterations=config.iterations,
        section=section,
    )
    return AdditiveTokenizer(
        method="opq",
        settings=to_dict(config),
        n_dimensions=rows.shape[1],
        normalise=normalise,
        codebooks=codebooks,
        starts=starts,
        width=latents.shape[1],
        rotation=rotation,
    )


def _rotation(latents: np.ndarray, config: OPQConfig) -> np.ndarray:
    """(d, d) float32, orthogonal; latents are multiplied by it from the right."""
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it reports which build it loads
    import faiss

    latents = np.ascontiguousarray(latents, dtype=np.float32)
    d, n_segments = latents.shape[1], len(config.codebook_sizes)
    quantizer = faiss.ProductQuantizer(d, n_segments, config.codebook_sizes[0].bit_length() - 1)
    quantizer.cp.seed = config.seed % 2**31
    quantizer.cp.min_points_per_centroid = 1  # a small catalogue is no reason for a warning
    matrix = faiss.OPQMatrix(d, n_segments, d)
    matrix.pq = quantizer
    matrix.niter = config.rotations
    matrix.train(latents)
    return faiss.vector_to_array(matrix.A).reshape(d, d).T.copy()
