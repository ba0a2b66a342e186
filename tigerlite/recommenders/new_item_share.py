"""New items in the lists of a model that would not write them itself (TIGER, arXiv 2305.05065, section 4.3).

A model hardly ever writes a code path that it was never trained on. TIGER keeps a share of a list for new items: those whose
identifiers begin as one that the model did write. The paper gives the largest share and the codes that must agree (three of
four); how such items are ordered and placed it does not say. Here:

* of the first j places at most share x j hold a new item, for every j, so a list of 5 is the beginning of one of 10 (but
  for what the model writes itself further down);
* new items wait in the order in which the list's items brought them, ties by item id, and take the first place they may;
* the others keep their order. A new item that the model writes itself is one of them.
"""

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from tigerlite.config import InputError
from tigerlite.recommenders.base import Recommendations, Recommender
from tigerlite.recommenders.generative import GenerativeRecommender


class NewItemShare:
    """A generative model whose lists have room for new items.

    Args:
        model: writes identifiers.
        new: item ids that it was not trained on.
        share: largest share of a list that they take, in (0, 1].
        n_codes: first codes that a new item and a recommended one must share; None = all but the last.

    Raises:
        InputError: if the model writes no identifiers, or share or n_codes are out of range.
    """

    def __init__(self, model: Recommender, new: Iterable[int], share: float, n_codes: int | None = None) -> None:
        if not isinstance(model, GenerativeRecommender):
            raise InputError(
                f"new items follow recommended ones by their codes, and {model.name} writes none; set their share to 0"
            )
        if not 0 < share <= 1:
            raise InputError(f"the share of new items is {share}; allowed: a number in (0, 1]")
        n_levels = model.codes.shape[1]
        n_codes = n_levels - 1 if n_codes is None else n_codes
        if not 1 <= n_codes <= n_levels - 1:
            raise InputError(f"new items should share {n_codes} codes; allowed: an integer in [1, {n_levels - 1}]")
        self._model, self._share, self._n_codes = model, share, n_codes
        self._new_after: dict[tuple[int, ...], list[int]] = defaultdict(list)
        ids = sorted(set(new))
        for item, prefix in zip(ids, self._prefixes(torch.tensor(ids, dtype=torch.int64)), strict=True):
            self._new_after[tuple(prefix)].append(item)

    @property
    def name(self) -> str:
        """The model's, and that new items have a share."""
        return f"{self._model.name}_new_items"

    def recommend(
        self, histories: Tensor, k: int, times: Tensor | None = None, exclude_history: bool = False
    ) -> Recommendations:
        """As `Recommender.recommend`; a new item has the score of the recommended one that brought it."""
        found = self._model.recommend(histories, k, times, exclude_history)
        rows = zip(
            found.items.tolist(), found.scores.tolist(), self._prefixes(found.items), histories.tolist(), strict=True
        )
        lists = [
            self._with_new(list(zip(items, scores, prefixes, strict=True)), history if exclude_history else ())
            for items, scores, prefixes, history in rows
        ]
        device = found.items.device
        return Recommendations(
            torch.tensor([[item for item, _ in of] for of in lists], device=device),
            torch.tensor([[score for _, score in of] for of in lists], device=device),
        )

    def _prefixes(self, items: Tensor) -> list:
        """The first codes of items (...), as lists like theirs."""
        codes = self._model.codes
        return codes[items.to(codes.device), ..., : self._n_codes].tolist()

    def _with_new(
        self, found: Sequence[tuple[int, float, list[int]]], excluded: Sequence[int]
    ) -> list[tuple[int, float]]:
        """A list as long as that of items, scores and prefixes `found`; (0, -inf) in places that stay empty."""
        k = len(found)
        ranked = deque(one for one in found if one[0])
        known = {*(item for item, _, _ in ranked), *excluded}
        waiting: deque[tuple[int, float]] = deque()
        listed: list[tuple[int, float]] = []
        n_new = 0
        while len(listed) < k and (ranked or waiting):
            room = math.floor(self._share * (len(listed) + 1) + 1e-9) > n_new
            if waiting and room:
                listed.append(waiting.popleft())
                n_new += 1
            elif ranked:
                item, score, prefix = ranked.popleft()
                listed.append((item, score))
                brought = [other for other in self._new_after.get(tuple(prefix), ()) if other not in known]
                known.update(brought)
                waiting.extend((other, score) for other in brought)
            else:
                break
        return listed + [(0, -math.inf)] * (k - len(listed))
