"""Caser: convolutions over the last L items, an image of L x D (arXiv 1809.07426).

    E^(t) = rows E[x_(t-L+1)], ..., E[x_t]                                              embedding look-up
    o   = max over places of relu(F * E^(t)), n_h filters of every height 1..L          horizontal layer
    o~  = weighted sums of the L rows, n_v weightings                                   vertical layer
    z_t = relu(W [o; o~] + b),  score of item i after x_t = <z_t, W'[i]>                 fully-connected layers

A window longer than `max_history` is refused.

Departures. The paper joins z with an embedding of the user; `recommend` is given histories, whose users may be unknown,
so there is none. An item has no bias, which an inner product has no place for. Before a history's first item the window
holds zeros; the authors pad with an item 0 whose embedding is learned. W' is a table of its own, as in the paper;
`tied=true` makes it E, as RecBole does.

The authors' code (github.com/graytowne/caser_pytorch/blob/c4e10e4/caser.py) has user and bias; it also predicts T = 3 next
items from one window, where here every window predicts the next one, and trains BCE with three negatives per window (the
paper: per target, `loss=bce`, `n_negatives=3`) and an L2 penalty of 1e-6 where the default here is the full softmax.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tigerlite.recommenders.baselines.blocks import check_sizes, initialise, windows
from tigerlite.recommenders.dropout import Dropout


@dataclass(frozen=True, kw_only=True)
class CaserConfig:
    """Sizes of Caser; defaults those of the authors' code where nothing else is said."""

    d_model: int = 64
    """D, width of item embeddings (50; 64 as in RecBole and as the other networks)."""
    window: int = 5
    """L, items that a state reads; at most max_history."""
    n_horizontal: int = 16
    """n_h, filters of every height."""
    n_vertical: int = 4
    """n_v, weightings of the window's items."""
    dropout: float = 0.5
    """On the outputs of the filters (.5 in the paper too)."""
    tied: bool = False
    """Whether items are scored with their input embeddings; false = a table of their own, as in the paper."""

    def __post_init__(self) -> None:
        check_sizes(self, ("d_model", "window", "n_horizontal", "n_vertical"))


class Caser(nn.Module):
    """Convolutions over windows of items.

    Args:
        config: sizes.
        n_items: N.
        max_history: longest sequence it is trained on; a convolution itself has no limit.

    >>> network = Caser(CaserConfig(d_model=8), n_items=5, max_history=6)
    >>> network(torch.tensor([[3, 1, 0]])).shape, network.item_embeddings.shape
    (torch.Size([1, 3, 8]), torch.Size([6, 8]))
    """

    def __init__(self, config: CaserConfig, n_items: int, max_history: int) -> None:
        super().__init__()
        self.window = config.window
        self.items = nn.Embedding(n_items + 1, config.d_model, padding_idx=0)
        self.outputs = None if config.tied else nn.Embedding(n_items + 1, config.d_model, padding_idx=0)
        heights = range(1, config.window + 1)
        # A filter of height h that spans all D columns is a linear map of h * D numbers.
        self.horizontal = nn.ModuleList(nn.Linear(height * config.d_model, config.n_horizontal) for height in heights)
        self.vertical = nn.Linear(config.window, config.n_vertical)
        width = config.n_horizontal * config.window + config.n_vertical * config.d_model
        self.output = nn.Linear(width, config.d_model)
        self.dropout = Dropout(config.dropout)
        # Filters keep torch's scale, which does not shrink what passes several of them; items are small as elsewhere.
        for table in (self.items, self.outputs):
            if table is not None:
                initialise(table)

    @property
    def item_embeddings(self) -> Tensor:
        """(N + 1, D) that items are scored with, row 0 = padding."""
        return self.items.weight if self.outputs is None else self.outputs.weight

    def forward(self, sequences: Tensor) -> Tensor:
        """States (B, T, D) of right-padded item ids (B, T); those at padding mean nothing."""
        image = windows(self.items(sequences), self.window)  # (B, T, L, D)
        found = [self._strongest(image, linear, height) for height, linear in enumerate(self.horizontal, start=1)]
        found.append(self.vertical(image.transpose(2, 3)).flatten(2))  # (B, T, D, n_v) -> (B, T, D*n_v)
        return F.relu(self.output(self.dropout(torch.cat(found, dim=2))))

    def _strongest(self, image: Tensor, linear: nn.Linear, height: int) -> Tensor:
        """(B, T, n_h): each filter's largest answer over the places of a window where it fits."""
        # (B, T, places, D, height) -> (B, T, places, height*D)
        places = image.unfold(2, height, 1).transpose(3, 4).flatten(3)
        return F.relu(linear(places)).amax(dim=2)
