"""Recent: the items of the history again, the latest first, then the most popular ones. Knows nothing about items.

On data with repeat consumption it says how much of a metric takes no model; where the history is excluded it is popularity.
"""

import torch
from torch import Tensor

from tigerlite.recommenders.baselines.popularity import Popularity


class Recent(Popularity):
    """Scores an item of the history by its last place in it, any other by its share of the most popular item's interactions."""

    kind = "recent"

    def scores(self, histories: Tensor) -> Tensor:
        """Scores (B, N + 1): 1, 2, ... in the order of the last visits, below 1 for items that are in no history."""
        others = super().scores(histories) / (self._counts.max() + 1)
        places = torch.arange(1, histories.shape[1] + 1, dtype=others.dtype).expand_as(histories)
        return others.scatter_reduce(1, histories, places, "amax")
