"""Frequency token weights: rare codes weigh more, by the effective number of their occurrences (arXiv 2601.17787, 4.1.2).

A code that occurs n times has the effective number E_n = (1 - beta^n) / (1 - beta) (arXiv 1901.05555) and the weight
1 / E_n. Two things decide whether that does anything. E_n saturates at 1 / (1 - beta): with beta = .9, which the authors'
code has in effect, all codes that occur more than some 50 times weigh alike. And the paper's normalisation, sum L over each
target's codes, cancels every difference between items; normalised over the training targets of a level instead, targets
made of rare codes do count more. `TokenWeights.spread` says how much of a weighting is left.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tigerlite.config import InputError, check, check_choice

COUNTS = ("targets", "occurrences", "items")
NORMALISATIONS = ("sequence", "corpus")


@dataclass(frozen=True, kw_only=True)
class FrequencyConfig:
    """What is counted, and how counts become weights."""

    counts: str = "targets"
    """n is counted over targets (each training target once, the authors' code), occurrences (all training interactions) or
    items (how many items of the catalogue have the code)."""
    beta: float | None = 0.99
    """Sensitivity, in (0, 1): .99 in the paper, .9 in effect in its code. null = 1 - 1 / the median n of the codes, for which
    n around the median are told apart."""
    normalise: str = "sequence"
    """sequence: mean 1 over each target's codes (the paper); corpus: mean 1 per level over the training targets."""
    per_item: bool = False
    """One weight per item, from the item's own count, instead of one per code; needs normalise=corpus and counts other
    than items."""

    def __post_init__(self) -> None:
        check_choice("counts", self.counts, COUNTS)
        check_choice("normalise", self.normalise, NORMALISATIONS)
        check(self.beta is None or 0 < self.beta < 1, "beta", self.beta, "a number in (0, 1), or null")
        if self.per_item:
            check(self.normalise == "corpus", "normalise", self.normalise, "corpus with per_item=true")
            check(self.counts != "items", "counts", self.counts, "targets or occurrences with per_item=true")


def effective_number(counts: Tensor, beta: float) -> Tensor:
    """E_n of counts n, float64; a count of 0 is taken as 1 (no training target has one).

    >>> effective_number(torch.tensor([1, 2]), 0.5).tolist()
    [1.0, 1.5]
    """
    log_beta = torch.tensor(beta, dtype=torch.float64).log()
    return -torch.expm1(counts.double().clamp(min=1) * log_beta) / (1 - beta)


def code_counts(codes: Tensor, item_counts: Tensor) -> Tensor:
    """How often each code of each item occurs when item i occurs item_counts[i] times; codes and result (N, L).

    >>> code_counts(torch.tensor([[0, 0], [0, 1], [1, 0]]), torch.tensor([5, 2, 1])).tolist()
    [[7, 6], [7, 2], [1, 6]]
    """
    item_counts = item_counts.long()
    levels = []
    for level in codes.unbind(1):
        totals = torch.zeros(int(level.max()) + 1, dtype=torch.int64).index_add_(0, level, item_counts)
        levels.append(totals[level])
    return torch.stack(levels, dim=1)


def fitted_beta(codes: Tensor, counts: Tensor) -> float:
    """1 - 1 / median n over the distinct codes of all levels that occur; (N, L) each.

    Raises:
        InputError: if the median is 1 or nothing occurs: there are no frequencies then.
    """
    distinct = []
    for level, n in zip(codes.unbind(1), counts.unbind(1), strict=True):
        totals = torch.zeros(int(level.max()) + 1, dtype=torch.int64).scatter_(0, level, n)
        distinct.append(totals[totals > 0])
    occurring = torch.cat(distinct)
    median = int(occurring.median()) if len(occurring) else 0
    if median < 2:
        raise InputError(f"half of the codes occur {median} times, which names no beta; set frequency.beta")
    return 1 - 1 / median


def frequency_weights(counts: Tensor, beta: float, *, normalise: str, targets: Tensor) -> Tensor:
    """Weights (N, L) of counts (N, L).

    Args:
        normalise: sequence (mean 1 over each row) or corpus (mean 1 in each column over the training targets).
        targets: (N,) how often each item is a training target.

    Raises:
        InputError: if normalise=corpus and there are no training targets.

    >>> counts = torch.tensor([[2000, 1000, 500, 50]])
    >>> weights = frequency_weights(counts, 0.99, normalise="sequence", targets=torch.ones(1))
    >>> [round(float(weight), 4) for weight in weights[0]]
    [0.7222, 0.7223, 0.727, 1.8285]
    """
    raw = 1 / effective_number(counts, beta)
    if normalise == "sequence":
        return raw / raw.mean(dim=1, keepdim=True)
    shares = targets.double()
    if not float(shares.sum()) > 0:
        raise InputError("there is no training target to normalise over; use normalise=sequence")
    return raw / ((shares / shares.sum())[:, None] * raw).sum(dim=0)
