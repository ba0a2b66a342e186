"""The best of many scores. Ties are decided by value, never by memory order: of items by the lower id, of paths by the codes."""

import torch
from torch import Tensor
from torch.nn.functional import pad


def best(scores: Tensor, ties: Tensor, n_best: int) -> Tensor:
    """Columns (B, W) of the n_best highest `scores` (B, C), best first; equal scores by the lower of `ties` (B, C).

    W is C where there are fewer than n_best columns. Where asking costs nothing, on a CPU, only the columns that could be among
    the best are ordered: those of `torch.topk`, or all of a row in which the last place is disputed.

    >>> best(torch.tensor([[0.5, 2.0, 2.0]]), torch.tensor([[1, 9, 4]]), 2).tolist()
    [[2, 1]]
    """
    n_best, scores = min(n_best, scores.shape[1]), scores.float()
    if scores.device.type != "cpu":
        return _best_of_all(scores, ties, n_best)
    values, found = scores.topk(n_best, dim=1)
    columns = found.gather(1, _best_of_all(values, ties.gather(1, found), n_best))
    last = values[:, -1:]
    disputed = (scores == last).sum(dim=1) > (values == last).sum(dim=1)
    if disputed.any():
        columns[disputed] = _best_of_all(scores[disputed], ties[disputed], n_best)
    return columns


def _best_of_all(scores: Tensor, ties: Tensor, n_best: int) -> Tensor:
    """As `best`. `torch.topk` promises no order among equal scores, so it is given unique integers: the float's bits in the high
    half (made to sort like the float), the inverted tie in the low half."""
    bits = (scores + 0.0).view(torch.int32)  # + 0.0 turns -0.0, whose bits differ, into 0.0
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    keys = (ordered << 32) + (2**31 - ties)
    return keys.topk(n_best, dim=1).indices


def in_places(items: Tensor, scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Ranked items and scores (B, <= k) in k places; a score of -inf empties its place.

    >>> in_places(torch.tensor([[7, 3]]), torch.tensor([[-1.0, -torch.inf]]), 3)
    (tensor([[7, 0, 0]]), tensor([[-1., -inf, -inf]]))
    """
    missing = (0, k - items.shape[1])
    return pad(items.masked_fill(scores == -torch.inf, 0), missing), pad(scores, missing, value=-torch.inf)
