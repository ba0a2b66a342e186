"""HGN: the last L items through two gates, and items that call for items (arXiv 1906.09217).

    f_j = e_j * sigma(W_1 e_j + b)                     feature gate: which dimensions of item j count
    a_j = sigma(<w_3, f_j> + c_j)                      instance gate: which items count; j = place in the window
    s_t = u + sum_j a_j f_j / sum_j a_j + sum_j e_j    score of item i after x_t = <s_t, Q[i]>

the sums over the last L items x_(t-L+1)..x_t (their three terms: matrix factorisation, gated group, item-item product).
A history of fewer items has fewer terms. A window longer than `max_history` is refused.

Departures. The paper has an embedding per user, in u, in b (as W_2 u) and in c (as W_4 u); `recommend` is given
histories, whose users may be unknown, so one user stands for all: u, b and c are learned once. c_j is what makes the order
of items matter. Dropout on the embeddings is ours; the authors have an L2 penalty of 1e-3 only. Q is a table of its own, as
in their code: with shared embeddings the item-item product would favour the items of the history themselves.

The authors' code (github.com/allenjack/HGN/blob/8db86c1/model/gating_network.py) has the user embedding and a bias per
item; it divides by the sum of the instance gates, as here. There w_3 and W_4 are no parameters of the module, so that
training never changes them; here they are learned. It pads short histories with an item 0 whose embedding is learned,
predicts the next 3 items from one window, and trains BPR with Adam where `NextItem` has the full softmax and AdamW.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tigerlite.recommenders.baselines.blocks import check_sizes, initialise, windows
from tigerlite.recommenders.dropout import Dropout


@dataclass(frozen=True, kw_only=True)
class HGNConfig:
    """Sizes of HGN; defaults those of the authors' code where nothing else is said."""

    d_model: int = 64
    """D, width of item embeddings (50; 64 as in RecBole and as the other networks)."""
    window: int = 5
    """L, items that a state reads; at most max_history."""
    dropout: float = 0.2
    """On the embeddings of the items that are read (ours; the authors' code has none)."""

    def __post_init__(self) -> None:
        check_sizes(self, ("d_model", "window"))


class HGN(nn.Module):
    """Hierarchical gating over windows of items.

    Args:
        config: sizes.
        n_items: N.
        max_history: longest sequence it is trained on; a window itself has no limit.

    >>> network = HGN(HGNConfig(d_model=8), n_items=5, max_history=6)
    >>> network(torch.tensor([[3, 1, 0]])).shape, network.item_embeddings.shape
    (torch.Size([1, 3, 8]), torch.Size([6, 8]))
    """

    def __init__(self, config: HGNConfig, n_items: int, max_history: int) -> None:
        super().__init__()
        self.window = config.window
        self.items = nn.Embedding(n_items + 1, config.d_model, padding_idx=0)
        self.outputs = nn.Embedding(n_items + 1, config.d_model, padding_idx=0)
        self.user = nn.Parameter(torch.zeros(config.d_model))
        self.feature_gate = nn.Linear(config.d_model, config.d_model)
        self.instance_gate = nn.Linear(config.d_model, 1, bias=False)
        self.places = nn.Parameter(torch.zeros(config.window))
        self.dropout = Dropout(config.dropout)
        self.apply(initialise)

    @property
    def item_embeddings(self) -> Tensor:
        """(N + 1, D) that items are scored with, row 0 = padding."""
        return self.outputs.weight

    def forward(self, sequences: Tensor) -> Tensor:
        """States (B, T, D) of right-padded item ids (B, T); those at padding mean nothing."""
        recent = windows(self.dropout(self.items(sequences)), self.window)  # (B, T, L, D)
        there = windows((sequences > 0).to(recent.dtype)[:, :, None], self.window)  # (B, T, L, 1)
        gated = recent * torch.sigmoid(self.feature_gate(recent))
        weights = torch.sigmoid(self.instance_gate(gated) + self.places[:, None]) * there
        # Padding has no items; elsewhere the smallest sum of weights is far above this.
        group = (weights * gated).sum(dim=2) / weights.sum(dim=2).clamp(min=1e-6)
        return self.user + group + recent.sum(dim=2)
