"""Beam search over the items of a catalogue: every hypothesis is a path of the trie, so every result is an item.

The encoder runs once per user, all beams of all users advance together, and the only loop is over the L levels.
While no more than n_beams paths exist at a level, all of them are kept (the first step with 256 codes and 300 beams
prunes nothing), and each path that is kept leads to an item that may be returned. So the best k items come back
whenever the catalogue, less the excluded items, has k.

Exclusion is exact: a path all of whose items are excluded for a user is treated as if it were not in the trie, so the
result is that of a search over a catalogue without these items and no wider beam is needed.

Ties are decided by value, never by memory order: equal scores keep the lower code path at inner levels and the lower
item id at the last.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tigerlite.config import InputError, check, check_choice
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


@torch.no_grad()
def beam_search(
    model: T5,
    trie: Trie,
    encoded: Tensor,
    mask: Tensor,
    *,
    starts: Sequence[int],
    sizes: Sequence[int],
    n_beams: int,
    k: int,
    scoring: str = "level",
    exclude: Tensor | None = None,
) -> Beams:
    """The k most probable items of each user (TIGER, arXiv 2305.05065, section 3.3).

    Runs the model as it is: call `model.eval()` first. A user's result does not depend on the rest of the batch, up
    to float rounding.

    Args:
        encoded: (B, S, D), from `model.encode`; `mask`: (B, S) bool, True on real tokens.
        starts: token of code 0 of each level; `sizes`: number of codes of each level.
        n_beams: paths kept per user and level; at least k.
        scoring: what a code's log-probability is normalised over: `level` all codes of its level, `trie` the legal
            children of its prefix, `vocabulary` all tokens (as the published implementations score).
        exclude: (B, X) item ids that must not be returned, 0 for none.

    Raises:
        InputError: if k > n_beams, the trie does not fit starts and sizes, or an excluded id is unknown.

    >>> from tigerlite.recommenders.t5 import T5Config
    >>> model = T5(T5Config(d_model=8, d_ff=8), vocab_size=7).eval()
    >>> tokens, mask = torch.tensor([[1, 4]]), torch.tensor([[True, True]])
    >>> trie = Trie(torch.tensor([[0, 0], [0, 0], [1, 2]]))
    >>> beams = beam_search(model, trie, model.encode(tokens, mask), mask, starts=[1, 4], sizes=[3, 3], n_beams=3, k=3)
    >>> sorted(beams.items.tolist()[0])
    [0, 1, 2]
    """
    _check_arguments(model, trie, starts, sizes, n_beams=n_beams, k=k, scoring=scoring)
    n_users = encoded.shape[0]
    state = model.start_decoding(encoded, mask)
    excluded = None if exclude is None else trie.exclusion(exclude)
    # One hypothesis per user, the root; W grows to n_beams. Below: (B, W) beams, (B, W, C) their children.
    nodes = torch.zeros(n_users, 1, dtype=torch.int64, device=encoded.device)
    tokens, parents = nodes, None
    scores = torch.zeros(n_users, 1, device=encoded.device)
    for level in range(trie.n_levels):
        is_last = level == trie.n_levels - 1
        hidden, state = model.decode_step(tokens, state, parents)
        children = trie.expand(nodes, level)
        if excluded is not None:
            allowed = children.legal & trie.has_other_leaves(children.nodes, level + 1, excluded)
            children = children._replace(legal=allowed)
        log_probs = _child_log_probs(model, hidden, children, starts[level], sizes[level], scoring)
        candidates = (scores.unsqueeze(-1) + log_probs).masked_fill(~children.legal, -torch.inf).flatten(1)
        ties = trie.leaf_items(children.nodes) if is_last else children.nodes
        chosen = _best(candidates, ties.flatten(1), k if is_last else n_beams)  # (B, W) of W*C
        scores = candidates.gather(1, chosen)
        parents = chosen // trie.max_children[level]
        nodes = children.nodes.flatten(1).gather(1, chosen)
        tokens = starts[level] + children.codes.flatten(1).gather(1, chosen)
    return _padded(trie.leaf_items(nodes), scores, k)


def _child_log_probs(model: T5, hidden: Tensor, children: Children, start: int, size: int, scoring: str) -> Tensor:
    """Log-probability (B, W, C) of each child's code; meaningless where a child is not legal."""
    if scoring == "vocabulary":
        logits = model.logits(hidden)  # (B, W, V)
        log_probs = logits[..., start : start + size] - logits.logsumexp(-1, keepdim=True)
        return log_probs.gather(-1, children.codes)
    logits = model.code_logits(hidden, start, size)  # (B, W, K)
    if scoring == "level":
        return torch.log_softmax(logits, -1).gather(-1, children.codes)
    legal_logits = logits.gather(-1, children.codes).masked_fill(~children.legal, -torch.inf)
    return torch.log_softmax(legal_logits, -1)


def _best(scores: Tensor, ties: Tensor, n_best: int) -> Tensor:
    """Columns (B, W) of the n_best highest `scores` (B, C), best first; equal scores by the lower of `ties` (B, C).

    `torch.topk` promises no order among equal scores, so it is given unique integers: the float's bits in the high
    half (made to sort like the float), the inverted tie in the low half. W is C where there are fewer than n_best
    columns.
    """
    bits = (scores + 0.0).view(torch.int32)  # + 0.0 turns -0.0, whose bits differ, into 0.0
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    keys = (ordered << 32) + (2**31 - ties)
    return keys.topk(min(n_best, keys.shape[1]), dim=1).indices


def _padded(items: Tensor, scores: Tensor, k: int) -> Beams:
    items = items.masked_fill(scores == -torch.inf, 0)
    missing = (0, k - items.shape[1])
    return Beams(
        items=torch.nn.functional.pad(items, missing, value=0),
        scores=torch.nn.functional.pad(scores, missing, value=-torch.inf),
    )


def _check_arguments(
    model: T5, trie: Trie, starts: Sequence[int], sizes: Sequence[int], *, n_beams: int, k: int, scoring: str
) -> None:
    check_choice("scoring", scoring, SCORINGS)
    check(k >= 1, "k", k, "an integer >= 1")
    check(n_beams >= k, "n_beams", n_beams, f"at least k = {k}; raise n_beams or lower k")
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
