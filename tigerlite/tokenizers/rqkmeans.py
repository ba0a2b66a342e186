"""RQ-k-means: residual quantisation whose codebooks are k-means centroids (faiss), level after level; nothing is trained.

Level l clusters what the levels before it left over. With `balanced=True` every level spreads the items about evenly, as
OneRec's balanced k-means does (arXiv 2502.18965, Section 3.1), by another algorithm: a code k has a price g_k and an item
takes argmin_k |r - e_k|^2 + g_k; prices and centroids move in turn. OneRec fills clusters one after the other up to
N / K, which no rule for a new item reproduces; prices belong to the tokenizer, so new items are encoded like old ones,
and memory stays bounded. Evenness is approximate (see `_balance`).

|r - e_k|^2 + g_k is a plain squared distance with one more coordinate: 0 for items, sqrt(g_k - min g) for codes. So a
level with prices has a column of its own in the latents, and encoding and `nearest_free` need to know nothing of them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tigerlite.config import to_dict
from tigerlite.tokenizers.additive import AdditiveTokenizer, nearest
from tigerlite.tokenizers.kmeans import kmeans
from tigerlite.tokenizers.levels import check_levels
from tigerlite.tokenizers.normalise import checked_embeddings, fit_normaliser

# Rounds of prices between two moves of the centroids, and moves.
_PRICE_ROUNDS = 40
_MOVES = 4
# Numbers held at a time while prices are found: 16 MiB of float32.
_MAX_SHARED = 2**22


@dataclass(frozen=True, kw_only=True)
class RQKMeansConfig:
    """Residual k-means."""

    codebook_sizes: tuple[int, ...] = (256, 256, 256)
    """Codes per level (three levels of 256, as TIGER)."""
    balanced: bool = False
    """Spread the items about evenly over the codes of every level."""
    whiten: int = 0
    """Principal directions kept by whitening; 0 = off."""
    standardise: bool = True
    """Without whitening: centre the embeddings and scale them to average variance 1; changes no plain clustering."""
    iterations: int = 50
    """Of k-means at every level."""
    seed: int = 0
    """Of the starting centroids."""

    def __post_init__(self) -> None:
        check_levels(self.codebook_sizes, whiten=self.whiten, iterations=self.iterations, seed=self.seed)


def fit(embeddings: Tensor | np.ndarray, config: RQKMeansConfig) -> AdditiveTokenizer:
    """The tokenizer of embeddings (N, D).

    Raises:
        InputError: if there are fewer items than codes at a level, or the embeddings are not finite.

    >>> rows = np.repeat(np.eye(4, dtype=np.float32), 2, axis=0)
    >>> fit(rows, RQKMeansConfig(codebook_sizes=(4,))).encode(rows).unique().tolist()
    [0, 1, 2, 3]
    """
    rows = checked_embeddings(embeddings)
    normalise = fit_normaliser(rows, whiten=config.whiten, standardise=config.standardise, section="tokenize.rqkmeans")
    residual, codebooks = normalise(rows), []
    d = residual.shape[1]
    for level, size in enumerate(config.codebook_sizes):
        found = kmeans(
            residual.numpy(),
            size,
            seed=config.seed + level,
            n_iterations=config.iterations,
            setting="tokenize.rqkmeans.codebook_sizes",
        )
        vectors = torch.from_numpy(found)
        prices = torch.zeros(size)
        if config.balanced:
            vectors, prices = _balance(residual, vectors)
        residual = residual - vectors[nearest(residual, vectors, prices)]
        priced = functional.pad(vectors, (0, len(config.codebook_sizes)))
        priced[:, d + level] = (prices - prices.min()).sqrt()
        codebooks.append(priced if config.balanced else vectors)
    return AdditiveTokenizer(
        method="rqkmeans",
        settings=to_dict(config),
        n_dimensions=rows.shape[1],
        normalise=normalise,
        codebooks=codebooks,
        starts=[0] * len(codebooks),
        width=codebooks[0].shape[1],
    )


def _balance(points: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Centroids (K, D) and prices (K,) that spread points (N, D) about evenly; the most even state found is kept.

    Prices are those of entropic transport (Sinkhorn, with rows that sum to 1 and columns to N / K): every point is shared
    among codes by softmax(-(distance + price) / temperature), and the price of a code rises by temperature times the
    logarithm of its share over N / K. The temperature falls from the spread of the points to a hundredth of their mean
    distance to a centroid; then a centroid moves to the mean of its points and prices follow.
    """
    n_codes = len(vectors)
    codes = nearest(points, vectors)
    hot = points.var(dim=0, correction=0).sum().clamp(min=1e-12)
    cold = (points - vectors[codes]).square().sum(dim=1).mean().clamp(min=1e-6 * hot) / 100
    prices = torch.zeros(n_codes)
    best = (_largest(codes, n_codes), vectors, prices)
    for move in range(_MOVES):
        for number in range(_PRICE_ROUNDS):
            done = 1.0 if move else number / (_PRICE_ROUNDS - 1)
            temperature = hot * (cold / hot) ** done
            prices = (
                prices + temperature * (_shares(points, vectors, prices, temperature) * n_codes / len(points)).log()
            )
        codes = nearest(points, vectors, prices)
        if _largest(codes, n_codes) < best[0]:
            best = (_largest(codes, n_codes), vectors, prices)
        counts = torch.bincount(codes, minlength=n_codes)
        sums = torch.zeros_like(vectors).index_add_(0, codes, points)
        vectors = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], vectors)
    return best[1], best[2]


def _shares(points: Tensor, vectors: Tensor, prices: Tensor, temperature: Tensor) -> Tensor:
    """Points (K,) that every code gets when each is shared softly; at least a trace, so that it has a logarithm."""
    costs = vectors.square().sum(dim=1) + prices
    shares = torch.zeros(len(vectors))
    for part in points.split(max(1, _MAX_SHARED // len(vectors))):
        shares += torch.softmax(-torch.addmm(costs, part, vectors.T, alpha=-2) / temperature, dim=1).sum(dim=0)
    return shares.clamp(min=1e-30)


def _largest(codes: Tensor, n_codes: int) -> int:
    return int(torch.bincount(codes, minlength=n_codes).max())
