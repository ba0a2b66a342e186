"""Popularity: everybody gets the items with the most training interactions. The floor that any model has to beat."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import training_items
from tigerlite.recommenders.base import ScoringRecommender


class Popularity(ScoringRecommender):
    """Scores items by their number of training interactions.

    Args:
        counts: training interactions per item, index = item id, entry 0 unused, shape (N + 1,).
    """

    def __init__(self, counts: np.ndarray) -> None:
        self._counts = torch.as_tensor(counts, dtype=torch.float32)

    @classmethod
    def fit(cls, dataset: RecDataset) -> "Popularity":
        """Count the training part of every sequence."""
        return cls(np.bincount(training_items(dataset), minlength=dataset.n_items + 1))

    @classmethod
    def load(cls, folder: Path) -> "Popularity":
        """The model that `save` wrote."""
        return cls(np.load(folder / "counts.npy"))

    def save(self, folder: Path) -> None:
        """Write `counts.npy`."""
        np.save(folder / "counts.npy", self._counts.numpy())

    def scores(self, histories: Tensor) -> Tensor:
        """Scores (B, N + 1), the same for every history."""
        return self._counts.expand(len(histories), -1)
