"""What every decoding shares: how a path is scored, and the form of the result.

A path's score is the sum over its levels of log p(code | history, codes before it).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tigerlite.config import InputError, check, check_choice
from tigerlite.recommenders.best import in_places
from tigerlite.recommenders.t5 import T5
from tigerlite.recommenders.trie import Children, Trie

SCORINGS = ("level", "trie", "vocabulary")


@dataclass(frozen=True)
class Beams:
    """The best items per user, best first; where fewer than k can be returned, the tail is item 0 with score -inf."""

    items: Tensor
    """(B, k) int64."""
    scores: Tensor
    """(B, k) float32, the sum over levels of log-probabilities."""


Bonus = Callable[[int, Tensor, Tensor], Tensor]
"""What is added to the logits (B, W, K) of a level's codes, of the level, nodes (B, W) and their decoder states (B, W, D)."""


def child_log_probs(
    model: T5, hidden: Tensor, children: Children, start: int, size: int, scoring: str, bonus: Tensor | None = None
) -> Tensor:
    """Log-probability (B, W, C) of each child's code; meaningless where a child is not legal.

    Args:
        hidden: decoder states (B, W, D) of the parents.
        start: token of code 0 of the children's level; `size`: number of codes of that level.
        scoring: what is normalised over: `level` all codes of the level, `trie` the legal children of the parent,
            `vocabulary` all tokens.
        bonus: (B, W, K), added to the logits of the level's codes.
    """
    if scoring == "vocabulary":
        logits = model.logits(hidden)  # (B, W, V)
        if bonus is not None:
            logits[..., start : start + size] += bonus
        log_probs = logits[..., start : start + size] - logits.logsumexp(-1, keepdim=True)
        return log_probs.gather(-1, children.codes)
    logits = model.code_logits(hidden, start, size)  # (B, W, K)
    if bonus is not None:
        logits = logits + bonus
    if scoring == "level":
        return torch.log_softmax(logits, -1).gather(-1, children.codes)
    legal_logits = logits.gather(-1, children.codes).masked_fill(~children.legal, -torch.inf)
    return torch.log_softmax(legal_logits, -1)


def padded(items: Tensor, scores: Tensor, k: int) -> Beams:
    """Ranked items and scores (B, <= k) as `Beams` of k places; a score of -inf empties its place."""
    return Beams(*in_places(items, scores, k))


def check_fit(model: T5, trie: Trie, starts: Sequence[int], sizes: Sequence[int], *, k: int, scoring: str) -> None:
    """Refuse a model, trie and vocabulary that do not belong together, and values out of range.

    Raises:
        InputError: as said.
    """
    check_choice("scoring", scoring, SCORINGS)
    check(k >= 1, "k", k, "an integer >= 1")
    if not len(starts) == len(sizes) == trie.n_levels:
        raise InputError(
            f"the trie has {trie.n_levels} levels but starts has {len(starts)} and sizes {len(sizes)}; "
            "give one per level"
        )
    if any(needed > size for needed, size in zip(trie.n_codes, sizes, strict=True)):
        raise InputError(
            f"the trie needs {trie.n_codes} codes per level but sizes are {tuple(sizes)}; "
            "use the vocabulary of the bank whose codes are in the trie"
        )
    end = max(start + size for start, size in zip(starts, sizes, strict=True))
    if end > model.embedding.num_embeddings:
        raise InputError(
            f"the levels end at token {end} but the model has {model.embedding.num_embeddings} tokens; "
            "use the model trained on this bank"
        )
