"""Beam search without a trie, as published implementations decode: a hypothesis may be the path of no item.

MTGRec's released code (arXiv 2504.04400) lets any token follow, padding and EOS too, takes exactly L steps and scores by the
softmax over all tokens. UniGRec's (2601.17438) lets the codes of the level follow, of any prefix.

Departures: MTGRec divides a score by the number of steps, which changes no order; ties are decided by value, the better
parent first, then the lower token; the encoder runs once per user, not once per beam.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tigerlite.config import check, check_choice
from tigerlite.recommenders.best import best
from tigerlite.recommenders.t5 import T5

FOLLOWERS = ("level", "vocabulary")


class FreeBeams(NamedTuple):
    """Hypotheses per user, best first."""

    codes: Tensor
    """(B, W, L) int64, -1 where a token is no code of its level."""
    scores: Tensor
    """(B, W) float32, the sum over levels of log-probabilities."""


@torch.no_grad()
def free_search(
    model: T5,
    encoded: Tensor,
    mask: Tensor,
    *,
    starts: Sequence[int],
    sizes: Sequence[int],
    n_beams: int,
    followers: str = "vocabulary",
    over_all: bool = True,
) -> FreeBeams:
    """The most probable sequences of L tokens; W = n_beams, or as many as there are.

    Runs the model as it is: call `model.eval()` first.

    Args:
        encoded: (B, S, D), from `model.encode`; `mask`: (B, S) bool, True on real tokens.
        starts: token of code 0 of each level; `sizes`: number of codes of each level.
        n_beams: hypotheses kept per user and step.
        followers: what may follow: any token of the `vocabulary`, or the codes of the `level`.
        over_all: normalise over all tokens, not over those of the level; always so with followers=vocabulary.

    Raises:
        ConfigError: if `n_beams` < 1 or `followers` is unknown.

    >>> from tigerlite.recommenders.t5 import T5Config
    >>> model = T5(T5Config(d_model=8, d_ff=8), vocab_size=7).eval()
    >>> tokens, mask = torch.tensor([[1, 4]]), torch.tensor([[True, True]])
    >>> free_search(model, model.encode(tokens, mask), mask, starts=[1, 4], sizes=[3, 3], n_beams=5).codes.shape
    torch.Size([1, 5, 2])
    """
    check(n_beams >= 1, "n_beams", n_beams, "an integer >= 1")
    check_choice("followers", followers, FOLLOWERS)
    n_users = encoded.shape[0]
    state = model.start_decoding(encoded, mask)
    tokens, parents = torch.zeros(n_users, 1, dtype=torch.int64, device=encoded.device), None
    scores = torch.zeros(n_users, 1, device=encoded.device)
    codes = tokens.new_zeros(n_users, 1, 0)
    for start, size in zip(starts, sizes, strict=True):
        hidden, state = model.decode_step(tokens, state, parents)
        first, n_tokens = (0, model.embedding.num_embeddings) if followers == "vocabulary" else (start, size)
        if over_all or followers == "vocabulary":
            log_probs = torch.log_softmax(model.logits(hidden), -1)[..., first : first + n_tokens]
        else:
            log_probs = torch.log_softmax(model.code_logits(hidden, first, n_tokens), -1)
        candidates = (scores.unsqueeze(-1) + log_probs).flatten(1)  # (B, W, C) -> (B, W*C)
        # Parents stand best first, so the lower column is the better parent, then the lower token.
        columns = torch.arange(candidates.shape[1], device=encoded.device)
        chosen = best(candidates, columns.expand_as(candidates), n_beams)
        scores = candidates.gather(1, chosen)
        parents, tokens = chosen // n_tokens, first + chosen % n_tokens
        code = tokens - start
        code = code.masked_fill((code < 0) | (code >= size), -1)
        before = codes.gather(1, parents.unsqueeze(-1).expand(-1, -1, codes.shape[2]))
        codes = torch.cat([before, code.unsqueeze(-1)], dim=-1)
    return FreeBeams(codes, scores)
