"""What every recommender offers: ranked items for histories, and a folder it can be saved to and loaded from."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from tigerlite.recommenders.best import best, in_places

MAX_SCORES = 2**24
"""Scores of a closed form that are held at a time: ordering them takes about 1 GB, however many items there are."""


class Recommendations(NamedTuple):
    """Ranked items and scores, each (B, k); item 0 with score -inf marks places that could not be filled."""

    items: Tensor
    scores: Tensor


class Recommender(ABC):
    """A trained model that ranks the catalogue for a history of item ids."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What tables and per-user ranks call it."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Hex digest of everything that its answers follow from."""

    @property
    def n_parameters(self) -> int:
        """Trained scalars; none in a closed form."""
        return 0

    @abstractmethod
    def recommend(
        self, histories: Tensor, k: int, times: Tensor | None = None, exclude_history: bool = False
    ) -> Recommendations:
        """The k best items for each history, best first; equal scores are ordered by item id.

        Args:
            histories: item ids 1..N, oldest first, right-padded with 0, shape (B, T). An empty history is allowed; a model
                reads the most recent items, as many as its own setting says.
            k: number of items.
            times: seconds of the interactions, shape (B, T), for models that use them.
            exclude_history: never return an item of the (whole given) history.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write everything that loading needs, safetensors and json, no pickle; `model.json` says the `kind`."""


class ScoringRecommender(Recommender):
    """A recommender that scores every item of the catalogue at once."""

    @abstractmethod
    def scores(self, histories: Tensor) -> Tensor:
        """Scores (B, N + 1) of all items for histories (B, T); column 0 is ignored."""

    def recommend(
        self, histories: Tensor, k: int, times: Tensor | None = None, exclude_history: bool = False
    ) -> Recommendations:
        """Rank the whole catalogue; see `Recommender.recommend`."""
        rows = max(1, MAX_SCORES // self.scores(histories[:1]).shape[1])
        parts = [self._ranked(part, k, exclude_history) for part in histories.split(rows)]
        return Recommendations(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def _ranked(self, histories: Tensor, k: int, exclude_history: bool) -> Recommendations:
        scores = self.scores(histories).clone()
        if exclude_history:
            scores.scatter_(1, histories, -torch.inf)
        scores[:, 0] = -torch.inf
        items = best(scores, torch.arange(scores.shape[1]).expand_as(scores), k)
        return Recommendations(*in_places(items, scores.gather(1, items), k))
