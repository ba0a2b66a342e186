"""Decoding without a trie, beside the search over the catalogue: two rows of the evaluation and the rate of invalid ids.

Papers and code disagree on hypotheses that are no item: arXiv 2504.04400 says that they are ignored, its released code leaves
them their rank. Both rows come of one search: `skipped` drops them, `kept` lets them push items down the list.

A hit is the item itself: identifiers of a bank are unique (colliding items carry a digit of their own), so a path is one item
or none, and items whose other codes collide never share a hit.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tigerlite.config import InputError
from tigerlite.data.sequences import most_recent
from tigerlite.evaluation.ranking import CUTOFFS, ranks_in_list
from tigerlite.recommenders.base import Recommendations, Recommender
from tigerlite.recommenders.free_search import free_search
from tigerlite.recommenders.generative import GenerativeRecommender

MAX_CANDIDATES = 2**23
"""Users x beams x tokens at a time, about 0.2 GB."""
SEEN = -1


class FreeBeam:
    """The items that a beam writes when nothing keeps it to the catalogue; puts the model in evaluation mode.

    Args:
        model: a recommender that writes identifiers.
        followers: what may follow, see `free_search`.
        n_beams: W.

    Raises:
        InputError: if the model writes no identifiers, or was not trained to score what may follow.
    """

    def __init__(self, model: Recommender, followers: str, n_beams: int) -> None:
        if not isinstance(model, GenerativeRecommender):
            raise InputError(
                f"evaluate.free_beam={followers} needs a model that writes identifiers, not {model.name}; set it to none"
            )
        allowed = ("vocabulary",) if followers == "vocabulary" else ("level", "vocabulary")
        if model.config.head not in allowed:
            raise InputError(
                f"evaluate.free_beam={followers} scores tokens that head={model.config.head} never trained; set "
                f"finetune.tiger.head={allowed[0]}"
            )
        if model.calibration is not None:
            raise InputError("decoding is calibrated on the trie (objective.method=igd); set evaluate.free_beam=none")
        if model.copying is not None:
            raise InputError(
                "tiger.copy=true looks visited items up in the trie, which evaluate.free_beam has not; set it to none"
            )
        self._model = model.eval()
        self._followers = followers
        self._n_beams = n_beams
        self._bank = model.bank if model.bank.n_members == 1 else model.bank.select([0])
        self._users = max(1, MAX_CANDIDATES // (n_beams * model.vocab.size))

    @torch.inference_mode()
    def recommend(
        self, histories: Tensor, k: int, times: Tensor | None = None, exclude_history: bool = False
    ) -> Recommendations:
        """Items and scores (B, W) of all hypotheses, best first, whatever `k`.

        An item is 0 where a hypothesis is no item and -1 where it is one of the history that is to be excluded.
        """
        found = [self._search(part, exclude_history) for part in histories.to(self._model.device).split(self._users)]
        return Recommendations(*(torch.cat(parts) for parts in zip(*found, strict=True)))

    def _search(self, histories: Tensor, exclude_history: bool) -> Recommendations:
        model = self._model
        encoded, mask = model.encode(most_recent(histories, model.config.max_history))
        beams = free_search(
            model.t5,
            encoded,
            mask,
            starts=model.vocab.offsets,
            sizes=model.vocab.codebook_sizes,
            n_beams=self._n_beams,
            followers=self._followers,
            over_all=model.config.scoring == "vocabulary",
        )
        items = self._bank.items(beams.codes)
        if exclude_history:
            seen = (items.unsqueeze(-1) == histories.unsqueeze(1)).any(dim=-1) & (items > 0)
            items = items.masked_fill(seen, SEEN)
        return Recommendations(items, beams.scores)


@dataclass(frozen=True)
class FreeRows:
    """What a free beam found, by name of the row."""

    ranks: dict[str, np.ndarray]
    """(U,) rank of the target, 0 where absent."""
    lists: dict[str, np.ndarray]
    """(U, k) ranked items, 0 = empty or no item."""
    invalid: dict[str, float]
    """Share of hypotheses that are no item among the first 1, 5, 10, 20 and all of them."""


def free_rows(name: str, items: np.ndarray, targets: np.ndarray) -> FreeRows:
    """The rows `NAME_free_skipped` and `NAME_free_kept`.

    Args:
        name: of the model.
        items: (U, W) of `FreeBeam`.
        targets: (U,) held-out items.

    >>> rows = free_rows("tiger", np.array([[0, 3, 0, 7]]), np.array([7]))
    >>> {name: ranks.tolist() for name, ranks in rows.ranks.items()}
    {'tiger_free_skipped': [2], 'tiger_free_kept': [4]}
    >>> rows.invalid["1"], rows.invalid["4"]
    (1.0, 0.5)
    """
    k = max(CUTOFFS)
    lists = {f"{name}_free_skipped": _without(items, items <= 0, k), f"{name}_free_kept": _without(items, items < 0, k)}
    ranks = {row: ranks_in_list(torch.from_numpy(of), torch.from_numpy(targets)).numpy() for row, of in lists.items()}
    lengths = sorted({min(cutoff, items.shape[1]) for cutoff in (*CUTOFFS, items.shape[1])})
    invalid = {str(length): float((items[:, :length] == 0).mean()) for length in lengths}
    return FreeRows(ranks, lists, invalid)


def _without(items: np.ndarray, dropped: np.ndarray, k: int) -> np.ndarray:
    """The first k of each row of `items` (U, W) that are not `dropped`, in order; 0 behind them."""
    order = np.argsort(dropped, axis=1, kind="stable")[:, :k]
    kept = np.where(np.take_along_axis(dropped, order, axis=1), 0, np.take_along_axis(items, order, axis=1))
    return np.pad(kept, ((0, 0), (0, k - kept.shape[1])))
