"""Item-kNN: items that share training users with the items of a history.

Linden et al. 2003, "Amazon.com recommendations: item-to-item collaborative filtering". The similarity of items i and
j is their co-occurrence |U_i and U_j| (users who have both in training), or the cosine |U_i and U_j| / sqrt(|U_i|
|U_j|). The score of item j is the sum of its similarities to the last `window` items of the history, each step back
weighted by `decay`.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

from tigerlite.config import check, check_choice, from_dict, to_dict
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import training_items
from tigerlite.recommenders.base import ScoringRecommender

if TYPE_CHECKING:
    from scipy import sparse


@dataclass(frozen=True, kw_only=True)
class ItemKNNConfig:
    """Item-kNN settings."""

    similarity: str = "cosine"
    """cosine or cooccurrence (the raw count)."""
    window: int = 20
    """How many of the most recent items count."""
    decay: float = 1.0
    """Weight of each further step back in the history; 1 weighs all items of the window equally."""
    n_neighbours: int = 0
    """Most similar items that are kept of each item, equal ones by item id; 0 = all. Some hundreds bound the memory of a
    catalogue of millions."""

    def __post_init__(self) -> None:
        check(self.n_neighbours >= 0, "n_neighbours", self.n_neighbours, "an integer >= 0")
        check_choice("similarity", self.similarity, ("cosine", "cooccurrence"))
        check(self.window >= 1, "window", self.window, "an integer >= 1")
        check(0 < self.decay <= 1, "decay", self.decay, "a number in (0, 1]")

    @property
    def unused(self) -> tuple[str, ...]:
        """What is off by default, so that results keep the names they had before there was a choice."""
        return () if self.n_neighbours else ("n_neighbours",)


_ROWS = 65_536
"""Items whose co-occurrences are in memory before they are cut to their neighbours."""


class ItemKNN(ScoringRecommender):
    """Closed-form item-to-item recommender.

    Args:
        similarity: sparse (N + 1, N + 1), zero diagonal.
        config: how histories are weighted.
    """

    def __init__(self, similarity: "sparse.csr_matrix", config: ItemKNNConfig) -> None:
        self._similarity = similarity
        self._config = config

    @classmethod
    def fit(cls, dataset: RecDataset, config: ItemKNNConfig | None = None) -> "ItemKNN":
        """Count co-occurrences in the training part of every sequence."""
        from scipy import sparse

        config = config or ItemKNNConfig()
        users = np.repeat(np.arange(dataset.n_users), dataset.train_ends - dataset.offsets[:-1])
        items = training_items(dataset)
        shape = (dataset.n_users, dataset.n_items + 1)
        seen = sparse.csr_matrix((np.ones(len(items), dtype=np.float32), (users, items)), shape=shape)
        seen.data[:] = 1.0  # an item counts once per user, however often it was consumed
        n_users = np.asarray(seen.sum(axis=0)).ravel()
        cosine = config.similarity == "cosine"
        scale = 1.0 / np.sqrt(np.maximum(n_users, 1.0)) if cosine else np.ones_like(n_users)
        by_item = seen.T.tocsr()
        starts = range(0, by_item.shape[0], _ROWS)
        blocks = [_neighbours(by_item[start : start + _ROWS] @ seen, start, scale, config) for start in starts]
        return cls(sparse.vstack(blocks, format="csr"), config)

    @property
    def name(self) -> str:
        """The method's name."""
        return "itemknn"

    @property
    def fingerprint(self) -> str:
        """Hex digest of similarities and settings."""
        digest = hashlib.sha256(json.dumps(to_dict(self._config), sort_keys=True).encode())
        for part in self._parts().values():
            digest.update(part.tobytes())
        return digest.hexdigest()[:16]

    @classmethod
    def load(cls, folder: Path) -> "ItemKNN":
        """The model that `save` wrote."""
        from scipy import sparse

        config = from_dict(ItemKNNConfig, json.loads((folder / "model.json").read_text(encoding="utf-8"))["config"])
        parts = load_file(folder / "model.safetensors")
        n = len(parts["indptr"]) - 1
        return cls(sparse.csr_matrix((parts["data"], parts["indices"], parts["indptr"]), shape=(n, n)), config)

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` (similarities as CSR) and `model.json`."""
        save_file(self._parts(), folder / "model.safetensors")
        meta = {"kind": "itemknn", "config": to_dict(self._config)}
        (folder / "model.json").write_text(json.dumps(meta), encoding="utf-8")

    def _parts(self) -> dict[str, np.ndarray]:
        matrix = self._similarity
        return {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}

    def scores(self, histories: Tensor) -> Tensor:
        """Scores (B, N + 1) of all items for histories (B, T)."""
        from scipy import sparse

        lengths = (histories > 0).sum(dim=1, keepdim=True)
        age = lengths - 1 - torch.arange(histories.shape[1])[None]  # 0 = most recent, negative = padding
        weights = (self._config.decay ** age.clamp(min=0).float()) * ((age >= 0) & (age < self._config.window))
        rows = torch.arange(len(histories))[:, None].expand_as(histories)
        profile = sparse.csr_matrix(
            (weights.flatten().numpy(), (rows.flatten().numpy(), histories.flatten().numpy())),
            shape=(len(histories), self._similarity.shape[0]),
        )
        return torch.from_numpy((profile @ self._similarity).toarray())


def _neighbours(
    together: "sparse.csr_matrix", start: int, scale: np.ndarray, config: ItemKNNConfig
) -> "sparse.csr_matrix":
    """Similarities (n, N + 1) of the items from `start` on, of their co-occurrences, cut to the most similar."""
    from scipy import sparse

    pairs = together.tocoo()
    rows, columns = pairs.row, pairs.col
    values = scale[start + rows] * pairs.data * scale[columns]
    others = columns != start + rows  # no item is its own neighbour
    rows, columns, values = rows[others], columns[others], values[others]
    if config.n_neighbours:
        order = np.lexsort((columns, -values, rows))
        rows, columns, values = rows[order], columns[order], values[order]
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        kept = place < config.n_neighbours
        rows, columns, values = rows[kept], columns[kept], values[kept]
    return sparse.csr_matrix((values, (rows, columns)), shape=together.shape)
