"""Seeded histories and codes with the shapes of a real data set: no quality can be read from them, only time."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Synthetic:
    """Random items and histories as tokens."""

    codes: Tensor
    """(N + 1, L), distinct paths, row 0 zeros."""
    starts: list[int]
    """Token of code 0 of each level."""
    sizes: list[int]
    """Codes of each level."""
    tokens: Tensor
    """(B, max_history * L), right-padded with 0."""
    mask: Tensor
    """(B, max_history * L) bool."""
    targets: Tensor
    """(B,) item ids."""

    @property
    def vocab_size(self) -> int:
        """Padding, the codes of all levels, and two further tokens."""
        return 1 + sum(self.sizes) + 2


def synthetic(
    *, n_users: int, n_items: int, n_levels: int, codebook_size: int, max_history: int, seed: int, device: str
) -> Synthetic:
    """Histories of 1 to max_history items, lengths uniform, one of them of full length; items with random codes."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [codebook_size] * n_levels
    starts = [1 + level * codebook_size for level in range(n_levels)]
    paths = torch.randint(0, codebook_size, (n_items, n_levels), generator=generator).unique(dim=0)
    paths = paths[torch.randperm(len(paths), generator=generator)]
    codes = torch.cat((torch.zeros(1, n_levels).long(), paths))
    lengths = torch.randint(1, max_history + 1, (n_users,), generator=generator)
    lengths[0] = max_history
    items = torch.randint(1, len(codes), (n_users, max_history), generator=generator)
    mask = torch.arange(max_history) < lengths[:, None]
    tokens = (codes[items] + torch.tensor(starts)) * mask[..., None]
    return Synthetic(
        codes=codes.to(device),
        starts=starts,
        sizes=sizes,
        tokens=tokens.flatten(1).to(device),
        mask=mask.repeat_interleave(n_levels, dim=1).to(device),
        targets=torch.randint(1, len(codes), (n_users,), generator=generator).to(device),
    )
