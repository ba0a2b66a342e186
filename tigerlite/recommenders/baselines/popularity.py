"""Popularity: everybody gets the items with the most training interactions. The floor that any model has to beat."""

import hashlib
import json
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import item_counts
from tigerlite.recommenders.base import ScoringRecommender


class Popularity(ScoringRecommender):
    """Scores items by their number of training interactions.

    Args:
        counts: training interactions per item, index = item id, entry 0 unused, shape (N + 1,).
    """

    kind = "popularity"

    def __init__(self, counts: np.ndarray) -> None:
        self._counts = torch.as_tensor(counts, dtype=torch.float32)

    @classmethod
    def fit(cls, dataset: RecDataset) -> Self:
        """Count the training part of every sequence."""
        return cls(item_counts(dataset))

    @property
    def name(self) -> str:
        """The method's name."""
        return self.kind

    @property
    def fingerprint(self) -> str:
        """Hex digest of kind and counts."""
        return hashlib.sha256(self.kind.encode() + self._counts.numpy().tobytes()).hexdigest()[:16]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that `save` wrote."""
        return cls(load_file(folder / "model.safetensors")["counts"].numpy())

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` and `model.json`."""
        save_file({"counts": self._counts}, folder / "model.safetensors")
        (folder / "model.json").write_text(json.dumps({"kind": self.kind}), encoding="utf-8")

    def scores(self, histories: Tensor) -> Tensor:
        """Scores (B, N + 1), the same for every history."""
        return self._counts.expand(len(histories), -1)
