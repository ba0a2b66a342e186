"""GRU4Rec: a recurrent network over item ids (arXiv 1511.06939, improved in 1706.03847).

    r = sigma(W_r e_t + U_r h + b_r)    z = sigma(W_z e_t + U_z h + b_z)    n = tanh(W_n e_t + b_n + r * (U_n h + c_n))
    h_t = (1 - z) * n + z * h_{t-1}     e_t = dropout(E[x_t])
    s_t = W_s dropout(h_t) + b_s        score of item i after x_1..x_t = <s_t, E[i]>

W_s only where the recurrent width differs from that of the embeddings. The authors' code
(github.com/hidasib/GRU4Rec/blob/a4ed5fb/gru4rec.py) differs: sessions run in parallel through a batch and the state is
carried over without a gradient to earlier steps, where we back-propagate through the whole window; inputs are one-hot
unless `embedding` gives them a table or `constrained_embedding` ties them to the outputs, as here; items have a score
bias; r acts before U_n, not after, and has no c_n beside it; z weighs the candidate, not the old state; BPR-max over in-batch
and popularity^.75 negatives with Adagrad, where `NextItem` has losses and AdamW.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from tigerlite.config import check
from tigerlite.recommenders.dropout import Dropout


@dataclass(frozen=True, kw_only=True)
class GRU4RecConfig:
    """Sizes of GRU4Rec; defaults as RecBole's."""

    n_layers: int = 1
    """Recurrent layers (1 is best in the paper)."""
    d_model: int = 64
    """D, width of item embeddings."""
    hidden: int = 128
    """Recurrent width (100 in the authors' code)."""
    dropout: float = 0.3
    """On the embeddings and on the output of every recurrent layer."""

    def __post_init__(self) -> None:
        for name in ("n_layers", "d_model", "hidden"):
            value = vars(self)[name]
            check(value >= 1, name, value, "an integer >= 1")
        check(0 <= self.dropout < 1, "dropout", self.dropout, "a number in [0, 1)")


class GRU4Rec(nn.Module):
    """GRU over item ids.

    Args:
        config: sizes.
        n_items: N.
        max_history: longest sequence it is trained on; a recurrent network itself has no limit.

    >>> import torch
    >>> network = GRU4Rec(GRU4RecConfig(d_model=8, hidden=6), n_items=5, max_history=4)
    >>> network(torch.tensor([[3, 1, 0]])).shape, network.item_embeddings.shape
    (torch.Size([1, 3, 8]), torch.Size([6, 8]))
    """

    def __init__(self, config: GRU4RecConfig, n_items: int, max_history: int) -> None:
        super().__init__()
        self.max_history = max_history
        self.items = nn.Embedding(n_items + 1, config.d_model, padding_idx=0)
        between = config.dropout if config.n_layers > 1 else 0.0  # torch warns of a rate that has no place to act
        self.gru = nn.GRU(config.d_model, config.hidden, config.n_layers, batch_first=True, dropout=between)
        same_width = config.hidden == config.d_model
        self.output = nn.Identity() if same_width else nn.Linear(config.hidden, config.d_model)
        self.dropout = Dropout(config.dropout)
        # RecBole's start, std sqrt(2 / (N + 1 + D)); the recurrent weights keep torch's U(-1/sqrt(hidden), ...).
        nn.init.xavier_normal_(self.items.weight)
        nn.init.zeros_(self.items.weight[0])

    @property
    def item_embeddings(self) -> Tensor:
        """(N + 1, D), row 0 = padding."""
        return self.items.weight

    def forward(self, sequences: Tensor) -> Tensor:
        """States (B, T, D) of right-padded item ids (B, T); those at padding mean nothing."""
        hidden, _ = self.gru(self.dropout(self.items(sequences)))
        return self.output(self.dropout(hidden))
