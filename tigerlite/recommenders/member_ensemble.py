"""Several members' lists as one: an item's score is its mean score over the lists that hold it plus the number of those lists.

What MTGRec's released code (arXiv 2504.04400) does with the results of models fine-tuned on different identifiers; the article
does not mention it. A path's score is there the log-probability over its number of codes, so a list more is worth a nat per code.

Departures: every list comes from a trie, so there is no entry for invalid ids; ties are decided by the lower item id. The code
also prints the best member by the test split, which is a choice on it and is not done here.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from tigerlite.config import InputError, fingerprint
from tigerlite.recommenders.base import Recommendations
from tigerlite.recommenders.best import best, in_places
from tigerlite.recommenders.generative import GenerativeRecommender


def fuse_lists(items: Tensor, scores: Tensor, k: int) -> Recommendations:
    """The k best items (B, k) of several lists by mean score plus votes.

    Args:
        items: (B, C), the members' lists side by side; 0 = an empty place. A list holds an item once.
        scores: (B, C), comparable between members.

    >>> items, scores = torch.tensor([[4, 7, 4, 9]]), torch.tensor([[-1.0, -2.0, -3.0, -0.5]])
    >>> fused = fuse_lists(items, scores, 3)
    >>> fused.items.tolist(), fused.scores.tolist()  # 4 has two votes: -2 + 2
    ([[9, 4, 7]], [[0.5, 0.0, -1.0]])
    """
    order = items.argsort(dim=1, stable=True)
    sorted_items = items.gather(1, order)
    is_filled = sorted_items > 0
    is_new = torch.ones_like(is_filled)
    is_new[:, 1:] = sorted_items[:, 1:] != sorted_items[:, :-1]
    group = is_new.long().cumsum(dim=1) - 1  # equal items stand side by side: (B, C) numbers of distinct items
    found = scores.gather(1, order).double().masked_fill(~is_filled, 0.0)
    votes = torch.zeros_like(found).scatter_add_(1, group, is_filled.double())
    total = torch.zeros_like(found).scatter_add_(1, group, found)
    item_of = torch.zeros_like(items).scatter_(1, group, sorted_items)
    fused = (total / votes.clamp(min=1) + votes).masked_fill(votes == 0, -torch.inf).float()
    chosen = best(fused, item_of, k)
    return Recommendations(*in_places(item_of.gather(1, chosen), fused.gather(1, chosen), k))


class MemberEnsemble:
    """Models of the same items under different identifiers, as one ranking.

    Args:
        models: at least two, which may share weights.

    Raises:
        InputError: if there are fewer, or they have different catalogues.
    """

    def __init__(self, models: Sequence[GenerativeRecommender]) -> None:
        n_items = {model.trie.n_items for model in models}
        if len(models) < 2 or len(n_items) > 1:
            raise InputError(
                f"an ensemble needs at least two models of one catalogue; got {len(models)} of {sorted(n_items)} items"
            )
        self.models = tuple(models)

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.models[0].name}_ensemble"

    @property
    def fingerprint(self) -> str:
        """Hex digits of all members."""
        return fingerprint([model.fingerprint for model in self.models])

    def recommend(
        self, histories: Tensor, k: int, times: Tensor | None = None, exclude_history: bool = False
    ) -> Recommendations:
        """The k best of the members' k best; see `Recommender.recommend`."""
        found = [model.recommend(histories, k, times, exclude_history) for model in self.models]
        per_code = [of.scores / model.vocab.n_levels for of, model in zip(found, self.models, strict=True)]
        return fuse_lists(torch.cat([of.items for of in found], dim=1), torch.cat(per_code, dim=1), k)
