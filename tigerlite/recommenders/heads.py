"""Cross-entropy of a target's codes under the three heads: what the probability of a code is normalised over.

`level`, the codes of its level; `vocabulary`, all tokens, as in the papers; `trie`, the codes that lead on to an item, so that
the probabilities of all items sum to one. Each takes a bonus on the logits of the codes (`copying.py`), or None.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from tigerlite.losses.weighted_cross_entropy import token_cross_entropy
from tigerlite.recommenders.t5 import T5
from tigerlite.recommenders.trie import Trie
from tigerlite.tokenizers.vocabulary import SemanticVocab

Bonuses = Sequence[Tensor] | None
"""Per level (n, K), added to the logits of its codes."""


def losses_among_codes(
    t5: T5, vocab: SemanticVocab, states: Tensor, codes: Tensor, smoothing: float, bonuses: Bonuses
) -> Tensor:
    """Losses (n, L) of codes (n, L) under decoder states (n, L, D), each among the codes of its level."""
    return token_cross_entropy(_level_logits(t5, vocab, states, bonuses), codes, smoothing)


def losses_among_tokens(
    t5: T5, vocab: SemanticVocab, states: Tensor, labels: Tensor, smoothing: float, bonuses: Bonuses
) -> Tensor:
    """Losses (n, P) of label tokens (n, P) under decoder states (n, P, D), each among all tokens; P is L, or L + 1 with EOS."""
    logits = list(t5.logits(states).unbind(1))
    for level, bonus in enumerate(bonuses or []):
        start, size = vocab.offsets[level], vocab.codebook_sizes[level]
        logits[level] = logits[level] + pad(bonus, (start, vocab.size - start - size))
    return token_cross_entropy(logits, labels, smoothing)


def losses_among_children(
    t5: T5, trie: Trie, vocab: SemanticVocab, states: Tensor, codes: Tensor, bonuses: Bonuses
) -> Tensor:
    """Losses (n, L) of codes (n, L) under decoder states (n, L, D), each among those that the trie allows after its prefix."""
    nodes, losses = torch.zeros(len(codes), dtype=torch.int64, device=codes.device), []
    for level, logits in enumerate(_level_logits(t5, vocab, states, bonuses)):
        wanted = codes[:, level]
        children = trie.expand(nodes, level)  # (n, C)
        place = ((children.codes == wanted[:, None]) & children.legal).long().argmax(dim=1)
        legal = logits.gather(1, children.codes).masked_fill(~children.legal, -torch.inf)
        losses.append(cross_entropy(legal, place, reduction="none"))
        nodes = children.nodes.gather(1, place[:, None])[:, 0]
    return torch.stack(losses, dim=1)


def _level_logits(t5: T5, vocab: SemanticVocab, states: Tensor, bonuses: Bonuses) -> list[Tensor]:
    """Logits (n, K) of the codes of every level."""
    levels = zip(states.unbind(1), vocab.offsets, vocab.codebook_sizes, strict=True)
    logits = [t5.code_logits(of_level, start, size) for of_level, start, size in levels]
    return logits if bonuses is None else [of + bonus for of, bonus in zip(logits, bonuses, strict=True)]
