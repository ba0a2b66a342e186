"""Losses of models that score an item by the inner product of a state with its embedding, and their negatives.

All take states (M, D) of M targets and the item table (N + 1, D), whose padding row 0 is never a class, and give one
loss per target, (M,). Products follow autocast; what comes after them is float32. Negatives are drawn by torch's global
generator of the device, so that one seed fixes them.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from tigerlite.config import InputError
from tigerlite.losses.catalogue_softmax import catalogue_cross_entropy


def full_cross_entropy(states: Tensor, targets: Tensor, items: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """-log softmax over all N items.

    Args:
        targets: (M,) item ids.
        items: (N + 1, D).
        label_smoothing: mass spread uniformly over the N items.

    >>> losses = full_cross_entropy(torch.zeros(2, 3), torch.tensor([1, 4]), torch.ones(5, 3))
    >>> torch.allclose(losses, torch.tensor(4.0).log())
    True
    """
    if not label_smoothing:
        return catalogue_cross_entropy(states, targets, items)
    logits = states @ items[1:].T
    return F.cross_entropy(logits.float(), targets - 1, reduction="none", label_smoothing=label_smoothing)


def sampled_cross_entropy(states: Tensor, targets: Tensor, items: Tensor, negatives: Tensor, log_q: Tensor) -> Tensor:
    """-log softmax over the target and K negatives that all targets share.

    Negatives have the logit s_j - log(K q_j), so that the sum of their exponentials estimates that of the whole catalogue
    (logQ correction; Bengio and Senecal 2008, arXiv 1412.2007). The target has its plain logit: it is always there, not
    drawn (arXiv 2507.09331); correcting it too, as is common, leaves a bias. With all items as negatives, each as often as
    q says, the result is `full_cross_entropy`. A negative that is the target is left out.

    Args:
        negatives: (K,) item ids, drawn from q with replacement.
        log_q: (N + 1,) log-probabilities of the draws.
    """
    positive = (states * F.embedding(targets, items)).sum(dim=1).float()
    scores = (states @ F.embedding(negatives, items).T).float() - log_q[negatives].float() - math.log(len(negatives))
    scores = scores.masked_fill(negatives == targets[:, None], -torch.inf)  # (M, K)
    return torch.cat([positive[:, None], scores], dim=1).logsumexp(dim=1) - positive


def binary_cross_entropy(states: Tensor, targets: Tensor, items: Tensor, negatives: Tensor) -> Tensor:
    """-[log sigma(s+) + sum_k log(1 - sigma(s_k))] / (K + 1): SASRec's loss (arXiv 1808.09781, eq. 7) with K negatives.

    The mean over K + 1 terms, as in gSASRec; SASRec, with K = 1, takes their sum.

    Args:
        negatives: (M, K) item ids of each target's own.
    """
    return _binary(*_scores(states, targets, items, negatives), weight=1.0)


def generalised_binary_cross_entropy(
    states: Tensor, targets: Tensor, items: Tensor, negatives: Tensor, *, t: float, n_items: int
) -> Tensor:
    """gBCE, -[log sigma(s+)^beta + sum_k log(1 - sigma(s_k))] / (K + 1) (gSASRec, arXiv 2308.07192, eq. 7 and 12).

    beta = alpha (t (1 - 1/alpha) + 1/alpha) undoes the overconfidence that sampling K of N - 1 negatives causes. The authors'
    code goes through float64 and a transformed logit (github.com/asash/gSASRec-pytorch/blob/7e35028/train_gsasrec.py);
    log sigma^beta = beta log sigma needs neither.

    Args:
        negatives: (M, K) item ids of each target's own.
        t: calibration, 0 = plain BCE, 1 = probabilities as those of the softmax over all items.
        n_items: N.
    """
    alpha = negatives.shape[1] / (n_items - 1)
    beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha)
    return _binary(*_scores(states, targets, items, negatives), weight=beta)


def uniform_negatives(targets: Tensor, n_negatives: int, n_items: int) -> Tensor:
    """(M, K) items, each drawn uniformly from all but its row's target (M,).

    SASRec's code draws again while it hits *any* item of the user's training sequence
    (github.com/kang205/SASRec/blob/e373896/sampler.py); that needs the sequence and, on large catalogues, changes little.

    Raises:
        InputError: if there is no other item.
    """
    if n_items < 2:
        raise InputError(f"a catalogue of {n_items} item(s) has no negatives; use loss=ce")
    drawn = torch.randint(1, n_items, (len(targets), n_negatives), device=targets.device)  # 1..N-1
    return drawn + (drawn >= targets[:, None])  # skips the target


def log_popularity(counts: Tensor) -> Tensor:
    """(N + 1,) log-probabilities of drawing each item in proportion to 1 + log(1 + count); -inf for padding.

    The logarithm keeps the head from being nearly all that is drawn; the 1 lets items without interactions be drawn too:
    what is never a negative is never pushed down.

    >>> log_popularity(torch.tensor([0, 0, 0])).exp().tolist()
    [0.0, 0.5, 0.5]
    """
    weights = 1 + counts.double().log1p()
    weights[0] = 0
    return (weights / weights.sum()).log().float()


def shared_negatives(log_q: Tensor, n_negatives: int) -> Tensor:
    """(K,) items drawn with replacement by the log-probabilities (N + 1,)."""
    return torch.multinomial(log_q.exp(), n_negatives, replacement=True)


def _scores(states: Tensor, targets: Tensor, items: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (M,) of the targets and (M, K) of their negatives, float32."""
    positive = (states * F.embedding(targets, items)).sum(dim=1)
    # F.embedding: its backward adds rows up far faster than that of indexing.
    negative = torch.bmm(F.embedding(negatives, items), states[:, :, None]).squeeze(2)  # (M, K, D) @ (M, D, 1)
    return positive.float(), negative.float()


def _binary(positive: Tensor, negative: Tensor, weight: float) -> Tensor:
    terms = -weight * F.logsigmoid(positive) - F.logsigmoid(-negative).sum(dim=1)
    return terms / (negative.shape[1] + 1)
