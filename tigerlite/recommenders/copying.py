"""Items that the user has had before: a learnt bonus on the codes that spell one of them.

A classic next-item model repeats an item with ease: its state is close to the embedding of what it read last, and items are
scored by inner products with the same embeddings. A generative one has to learn to spell the item again, code by code, and on
short trainings it does not. Here the logit of a code is raised by

    b[level, age] + c[level] log n + u[level] . h

where the codes so far and this one begin the identifier of an item of the history, age being the number of items read since the
last such visit, n the number of such visits and h the decoder's state: few weights, all zero at the start.

The idea is that of pointer-generator networks (arXiv 1704.04368), for repeated items of RepeatNet (1812.02646); both mix two
distributions, which would need all codes of a target at once. A bonus on logits keeps a loss per code, so that weights of tokens
and every search over the trie stay as they are. In no paper on semantic identifiers; off by default.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tigerlite.recommenders.scoring import Bonus
from tigerlite.recommenders.trie import Trie

SCALE = 10.0
"""AdamW moves a weight by at most its learning rate a step; odds of some hundreds to one are to be reached in a thousand."""


class Visits(NamedTuple):
    """Items of histories, and how long ago each was."""

    items: Tensor
    """(n, T) int64 item ids, 0 where there is none."""
    ages: Tensor
    """(n, T) int64, items read since; meaningless where there is no item."""


def visits_of(histories: Tensor) -> Visits:
    """The visits of right-padded histories (B, T).

    >>> visits_of(torch.tensor([[5, 6, 0]])).ages.tolist()
    [[1, 0, -1]]
    """
    lengths = (histories > 0).sum(dim=1, keepdim=True)
    return Visits(histories, lengths - 1 - torch.arange(histories.shape[1], device=histories.device))


def visits_before(sequences: Tensor, wanted: Tensor) -> Visits:
    """What each wanted target of whole sequences has before it, row by row.

    Args:
        sequences: (B, T + 1) item ids, right-padded.
        wanted: (B, P) bool, which of the last P positions are targets.

    >>> visits_before(torch.tensor([[5, 6, 7]]), torch.tensor([[True, True]])).items.tolist()
    [[5, 0], [5, 6]]
    """
    rows, columns = wanted.nonzero(as_tuple=True)
    places = sequences.shape[1] - wanted.shape[1] + columns[:, None]
    before = places - 1 - torch.arange(sequences.shape[1] - 1, device=sequences.device)
    return Visits(sequences[rows, :-1] * (before >= 0), before)


class Copying(nn.Module):
    """The bonus; vectors, so that weight decay leaves them alone.

    Args:
        n_levels: L, codes of an identifier.
        d_model: D of the decoder's states.
        max_history: T, ages that are told apart.
    """

    def __init__(self, n_levels: int, d_model: int, max_history: int) -> None:
        super().__init__()
        self._shapes = (n_levels, max_history), (n_levels, d_model)
        self.of_age = nn.Parameter(torch.zeros(n_levels * max_history))
        self.of_count = nn.Parameter(torch.zeros(n_levels))
        self.of_state = nn.Parameter(torch.zeros(n_levels * d_model))

    def forward(self, level: int, states: Tensor, codes: Tensor, ages: Tensor, follows: Tensor, size: int) -> Tensor:
        """Bonus (..., K) float32 on the logits of one level's codes.

        Args:
            level: 0 .. L - 1.
            states: (..., D) of the decoder before the code.
            codes: (..., T) of the visited items at this level.
            ages: (..., T) of the visits.
            follows: (..., T) bool, whether a visited item has the codes that came before.
            size: K, codes of the level.
        """
        latest, counts = _latest(codes, ages, follows, size)
        with torch.autocast(states.device.type, enabled=False):
            of_age, of_state = (
                weights.view(shape)[level] * SCALE
                for weights, shape in zip((self.of_age, self.of_state), self._shapes, strict=True)
            )
            by_age = of_age[ages.clamp(0, len(of_age) - 1)]
            by_count = self.of_count[level] * SCALE * counts.log()
            by_state = (states.float() * states.shape[-1] ** -0.5) @ of_state
            bonus = (by_age + by_count + by_state.unsqueeze(-1)) * latest
            return bonus.new_zeros(*states.shape[:-1], size).scatter_add(-1, codes, bonus)


def bonuses_of_targets(
    copying: Copying, states: Tensor, codes: Tensor, visited: Tensor, visits: Visits, sizes: Sequence[int]
) -> list[Tensor]:
    """Per level the bonus (n, K) after the target's codes before it.

    Args:
        copying: the weights.
        states: (n, P, D) of the decoder by teacher forcing, P >= L.
        codes: (n, L) of the targets.
        visited: (n, T, L), codes of the visited items.
        visits: of each target.
        sizes: codes of each level.
    """
    follows, found, of_levels = visits.items > 0, [], states.unbind(1)
    for level, size in enumerate(sizes):
        found.append(copying(level, of_levels[level], visited[..., level], visits.ages, follows, size))
        follows = follows & (visited[..., level] == codes[:, level, None])
    return found


def bonus_of_nodes(copying: Copying, trie: Trie, visited: Tensor, visits: Visits, sizes: Sequence[int]) -> Bonus:
    """The bonus on the children of nodes of the trie, for a search; arguments as in `bonuses_of_targets`."""

    def bonus(level: int, nodes: Tensor, states: Tensor) -> Tensor:
        follows = trie.leads_to(nodes, level, visits.items)  # (B, W, T)
        codes, ages = (values.unsqueeze(1).expand_as(follows) for values in (visited[..., level], visits.ages))
        return copying(level, states, codes, ages, follows, sizes[level])

    return bonus


def _latest(codes: Tensor, ages: Tensor, follows: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Of the visits that spell the same code the latest alone, (..., T) bool, and their number, (..., T) float32, at least 1."""
    counts = torch.zeros(*ages.shape[:-1], size, device=codes.device).scatter_add(-1, codes, follows.float())
    never = codes.shape[-1] + 1
    ages = torch.where(follows, ages, never)
    youngest = ages.new_full((*ages.shape[:-1], size), never).scatter_reduce(-1, codes, ages, "amin")
    return follows & (youngest.gather(-1, codes) == ages), counts.gather(-1, codes).clamp(min=1)
