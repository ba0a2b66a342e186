"""The first step of a tokenizer fitted in closed form: PCA with whitening, or centring and scaling, or nothing."""

import numpy as np
import torch
from torch import Tensor, nn

from tigerlite.config import InputError
from tigerlite.tokenizers.whitening import Standardisation, Whitening


def fit_normaliser(embeddings: Tensor, *, whiten: int, standardise: bool, section: str) -> nn.Module:
    """The step fitted on embeddings (N, D).

    Args:
        embeddings: of all items.
        whiten: principal directions kept; 0 = none.
        standardise: without whitening, whether to centre and scale.
        section: of the config, for messages: `tokenize.pq`.

    Raises:
        InputError: if the embeddings span fewer than `whiten` directions.
    """
    if whiten:
        return Whitening.fit(embeddings, whiten, setting=f"{section}.whiten")
    return Standardisation.fit(embeddings) if standardise else nn.Identity()


def empty_normaliser(n_dimensions: int, *, whiten: int, standardise: bool) -> nn.Module:
    """The step for embeddings of width D, to be filled with a saved state."""
    if whiten:
        return Whitening(n_dimensions, whiten)
    return Standardisation(n_dimensions) if standardise else nn.Identity()


def checked_embeddings(embeddings: Tensor | np.ndarray, n_dimensions: int | None = None) -> Tensor:
    """Embeddings (N, D) as float32 on the CPU.

    Raises:
        InputError: if they are no table of finite numbers, or not `n_dimensions` wide.
    """
    rows = torch.as_tensor(embeddings).detach().cpu().to(torch.float32)
    if rows.ndim != 2 or n_dimensions not in (None, rows.shape[1]):
        wanted = "D" if n_dimensions is None else n_dimensions
        raise InputError(f"embeddings have shape {tuple(rows.shape)}; this tokenizer takes (N, {wanted})")
    bad = (~rows.isfinite().all(dim=1)).nonzero().flatten()
    if len(bad):
        raise InputError(
            f"embeddings hold NaN or infinity in {len(bad)} of {len(rows)} rows, first in row {int(bad[0])}; "
            "allowed: finite numbers; encode those items again"
        )
    return rows
