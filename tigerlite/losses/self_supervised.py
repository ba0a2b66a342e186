"""Losses of S3-Rec's pre-training (arXiv 2008.07873, section 4.3): one per state, float32."""

import torch
from torch import Tensor
from torch.nn import functional as F


def attribute_prediction(states: Tensor, attributes: Tensor, table: Tensor) -> Tensor:
    """-sum over attributes a of the item of log sigma(<s, a>) - sum over all others of log(1 - sigma(<s, a>)).

    The objectives AAP and MAP (eq. 10, 11, 14, 15), with the matrix W already in the states. All other attributes are
    negatives and each is a question of its own, as in the authors' code; the paper has a softmax over sampled ones. As
    there, AAP looks at the Transformer's states; in the paper at the items' own embeddings. An item of which no attribute
    is known says nothing: its loss is zero.

    Args:
        states: (M, D).
        attributes: (M, F) attributes of each state's item, 0..A - 1; negative numbers stand for none.
        table: (A, D) attribute embeddings.

    >>> attribute_prediction(torch.zeros(2, 3), torch.tensor([[1, -1], [-1, -2]]), torch.ones(4, 3)) / torch.tensor(2.0).log()
    tensor([4., 0.])
    """
    logits = (states @ table.T).float()
    wanted = torch.zeros(len(states), len(table) + 1, device=states.device)
    # A column of its own takes what stands for none.
    wanted.scatter_(1, torch.where(attributes < 0, len(table), attributes), 1.0)
    losses = F.binary_cross_entropy_with_logits(logits, wanted[:, :-1], reduction="none").sum(dim=1)
    return losses * (attributes >= 0).any(dim=1)


def contrast(states: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """-log sigma(sigma(<s, p>) - sigma(<s, n>)): the objectives MIP and SP (eq. 12, 13, 16, 17) for M states, each (M, D).

    The inner sigmas are the paper's (eq. 13, 17); they bound the loss to -log sigma(1) = .31 at the least. The paper has a
    softmax over several negatives; one negative is what the authors' code has.

    >>> contrast(torch.zeros(1, 2), torch.ones(1, 2), torch.ones(1, 2)).exp().tolist()
    [2.0]
    """
    positive, negative = ((states * other).sum(dim=1).float().sigmoid() for other in (positives, negatives))
    return -F.logsigmoid(positive - negative)
