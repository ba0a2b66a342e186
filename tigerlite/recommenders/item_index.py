"""An index over item embeddings (faiss), for catalogues where scoring every item takes too long.

Exact by default: every inner product, as `top_items`, though which of equally good items come last in a list is faiss's
choice. Approximate on request: the items are clustered into about 4 sqrt(N) lists (IVF) and a query reads the `n_probes`
lists whose centroids fit it best; `recall` says what that loses.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tigerlite.config import InputError, check
from tigerlite.recommenders.base import Recommendations
from tigerlite.recommenders.best import best, in_places
from tigerlite.recommenders.item_scoring import top_items

if TYPE_CHECKING:
    import faiss

POINTS_PER_LIST = 39
"""faiss wants this many training points per cluster."""


class ItemIndex:
    """Searches items by inner product; `ItemIndex.build` makes one.

    Args:
        index: faiss index of items 1..N, in order.
        items: (N + 1, D), what the index was built from; `recall` scores them all.
    """

    def __init__(self, index: "faiss.Index", items: Tensor) -> None:
        self._index = index
        self._items = items

    @classmethod
    def build(cls, items: Tensor, *, approximate: bool = False, n_probes: int = 16) -> "ItemIndex":
        """Index the items.

        Args:
            items: (N + 1, D), row 0 = padding.
            approximate: search a part of the catalogue only.
            n_probes: lists that an approximate search reads; more = slower and better.

        Raises:
            InputError: if faiss is not installed.

        >>> index = ItemIndex.build(torch.tensor([[0.0], [1.0], [3.0], [2.0]]))
        >>> index.search(torch.ones(1, 1), k=2).items.tolist()
        [[2, 3]]
        """
        check(n_probes >= 1, "n_probes", n_probes, "an integer >= 1")
        try:
            import faiss
        except ImportError:
            raise InputError("an item index needs faiss; pip install faiss-cpu") from None
        items = items.detach().float().cpu().contiguous()
        vectors, width = items[1:].numpy(), items.shape[1]
        if not approximate:
            index = faiss.IndexFlatIP(width)
        else:
            n_lists = max(1, min(round(4 * math.sqrt(len(vectors))), len(vectors) // POINTS_PER_LIST))
            index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, n_lists, faiss.METRIC_INNER_PRODUCT)
            index.cp.min_points_per_centroid = 1  # a tiny catalogue is no reason for a warning
            index.nprobe = min(n_probes, n_lists)
            index.train(vectors)
        index.add(vectors)
        return cls(index, items)

    def search(self, states: Tensor, k: int, exclude: Tensor | None = None) -> Recommendations:
        """The k items of the largest inner product with each state (B, D), as far as the index finds them; 0 elsewhere.

        Args:
            states: (B, D).
            k: items wanted.
            exclude: (B, X) item ids that must not be returned, 0 for none.
        """
        check(k >= 1, "k", k, "an integer >= 1")
        # As many more as could be left out again.
        n_wanted = k + (0 if exclude is None else exclude.shape[1])
        found = self._index.search(states.detach().float().cpu().contiguous().numpy(), n_wanted)
        scores, places = (torch.from_numpy(part).to(states.device) for part in found)
        items = places + 1  # faiss counts from 0 and fills missing places with -1
        unwanted = items == 0
        if exclude is not None:
            unwanted |= (items[:, :, None] == exclude[:, None, :]).any(dim=2)
        scores = scores.masked_fill(unwanted, -torch.inf)
        chosen = best(scores, items, k)
        return Recommendations(*in_places(items.gather(1, chosen), scores.gather(1, chosen), k))

    def recall(self, states: Tensor, k: int) -> float:
        """Mean share of the k best items of each state (B, D) that `search` finds."""
        exact = top_items(states.detach().float().cpu(), self._items, k).items
        found = (self.search(states, k).items[:, :, None] == exact[:, None, :]) & (exact[:, None, :] > 0)
        return float(found.any(dim=1).sum() / (exact > 0).sum())
