"""The loss that a next-item config names: what a target is contrasted with, and how."""

from torch import Tensor

from tigerlite.losses.next_item import (
    binary_cross_entropy,
    full_cross_entropy,
    generalised_binary_cross_entropy,
    sampled_cross_entropy,
    shared_negatives,
    uniform_negatives,
)
from tigerlite.recommenders.nextitem_config import NextItemConfig


def next_item_losses(config: NextItemConfig, states: Tensor, targets: Tensor, items: Tensor, log_q: Tensor) -> Tensor:
    """Losses (M,) of targets (M,) under states (M, D); negatives come from torch's generator.

    Args:
        config: `loss` and what belongs to it.
        states: (M, D) what asks for the next item.
        targets: (M,) item ids.
        items: (N + 1, D) embeddings, row 0 padding.
        log_q: (N + 1,) log-probabilities of the draws of `sampled_ce`.
    """
    if config.loss == "ce":
        return full_cross_entropy(states, targets, items, config.label_smoothing)
    if config.loss == "sampled_ce":
        return sampled_cross_entropy(states, targets, items, shared_negatives(log_q, config.n_negatives), log_q)
    n_items = len(items) - 1
    negatives = uniform_negatives(targets, config.n_negatives, n_items)
    if config.loss == "bce":
        return binary_cross_entropy(states, targets, items, negatives)
    return generalised_binary_cross_entropy(states, targets, items, negatives, t=config.gbce_t, n_items=n_items)
