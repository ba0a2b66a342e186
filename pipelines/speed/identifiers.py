"""Rows of the tokenizer benchmark about large catalogues: encoding items, and resolving collisions."""

from collections.abc import Callable

import numpy as np
import torch

from speed.timing import Case
from tigerlite.tokenizers import pq, rqkmeans
from tigerlite.tokenizers.collisions import first_free, nearest_free, random_free, rank_digit
from tigerlite.tokenizers.pq import PQConfig
from tigerlite.tokenizers.rqkmeans import RQKMeansConfig
from tigerlite.tokenizers.rqvae import RQVAE
from tigerlite.tokenizers.rqvae_config import RQVAEConfig
from tigerlite.tokenizers.sinkhorn_rounds import SinkhornConfig, sinkhorn_rounds
from tigerlite.tokenizers.space import AdditiveSpace

DUPLICATES = 0.2
"""Share of the items that get the codes of another one."""
BASELINE = "rank_digit"


def encoding_cases(n_items: int, width: int, size: int, seed: int) -> list[Case]:
    """Encode all items with three levels of `size` codes; memory beyond the embeddings is in the table."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(n_items, width, generator=generator)
    fitted_on = embeddings[: max(size, min(n_items, 20 * size))]
    torch.manual_seed(seed)
    rqvae = RQVAE(RQVAEConfig(codebook_sizes=(size,) * 3), width).eval()
    encoders = {
        "encode, rqvae 512-256-128": rqvae.encode,
        "encode, rqkmeans": rqkmeans.fit(fitted_on, RQKMeansConfig(codebook_sizes=(size,) * 3, iterations=5)).encode,
        "encode, pq": pq.fit(fitted_on, PQConfig(codebook_sizes=(size,) * 2, iterations=5)).encode,
    }
    first = next(iter(encoders))
    return [
        Case(name=name, call=_encoding(encode, embeddings), amount=n_items, baseline=first)
        for name, encode in encoders.items()
    ]


def collision_cases(n_items: int, width: int, size: int, seed: int) -> list[Case]:
    """Resolve the collisions of items with three levels of `size` codes, a fifth of them copies of others' codes."""
    generator = np.random.default_rng(seed)
    sizes = (size,) * 3
    codes = generator.integers(0, size, size=(n_items, 3))
    copies = generator.random(n_items) < DUPLICATES
    codes[copies] = codes[generator.integers(0, n_items, int(copies.sum()))]
    codebooks = [generator.normal(size=(size, width)).astype(np.float32) / 2**level for level in range(3)]
    latents = sum(codebook[codes[:, level]] for level, codebook in enumerate(codebooks))
    latents = latents + 0.1 * generator.normal(size=latents.shape).astype(np.float32)
    calls: dict[str, Callable[[], object]] = {
        BASELINE: lambda: rank_digit(codes, sizes, max_digits=n_items),
        "nearest_free": lambda: nearest_free(codes, sizes, latents=latents, codebooks=codebooks),
        "random_free": lambda: random_free(codes, sizes, generator=np.random.default_rng(seed)),
        "first_free": lambda: first_free(codes, sizes),
        "sinkhorn_rounds": lambda: sinkhorn_rounds(codes, sizes, AdditiveSpace(latents, codebooks), SinkhornConfig()),
    }
    return [Case(name=name, call=call, amount=n_items, baseline=BASELINE) for name, call in calls.items()]


def _encoding(encode: Callable[[torch.Tensor], torch.Tensor], embeddings: torch.Tensor) -> Callable[[], object]:
    return lambda: encode(embeddings)
