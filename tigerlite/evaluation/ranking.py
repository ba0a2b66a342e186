"""Full-ranking, item-level metrics with one target per user: Recall@k, NDCG@k, MRR and their standard errors.

A rank is 1-based; 0 means that the target is not in the list. With one target, Recall@k = 1[rank <= k] (the hit rate)
and NDCG@k = 1[rank <= k] / log2(rank + 1), as in MTGRec (arXiv 2504.04400) and TIGER (arXiv 2305.05065). A target
counts as found only if the *item* is returned: two items never share a hit because their codes collide.
"""

import math

import numpy as np
import torch
from torch import Tensor

CUTOFFS = (1, 5, 10, 20)


def ranks_in_list(items: Tensor, targets: Tensor) -> Tensor:
    """Rank of each target in its ranked list, 0 where it is absent.

    Args:
        items: ranked item ids, best first, 0 = empty place, shape (B, k).
        targets: held-out item ids, shape (B,).

    Returns:
        int64 ranks, shape (B,).

    >>> ranks_in_list(torch.tensor([[7, 3, 5], [1, 2, 0]]), torch.tensor([3, 9])).tolist()
    [2, 0]
    """
    found = items == targets[:, None]
    return torch.where(found.any(dim=1), found.int().argmax(dim=1) + 1, 0)


def recall(ranks: np.ndarray, k: int) -> np.ndarray:
    """Per-user Recall@k, shape (U,)."""
    return ((ranks >= 1) & (ranks <= k)).astype(np.float64)


def ndcg(ranks: np.ndarray, k: int) -> np.ndarray:
    """Per-user NDCG@k, shape (U,).

    >>> [round(float(value), 4) for value in ndcg(np.array([1, 5, 6, 10, 11, 0]), 10)]
    [1.0, 0.3869, 0.3562, 0.2891, 0.0, 0.0]
    """
    return recall(ranks, k) / np.log2(np.maximum(ranks, 1) + 1)


def reciprocal_rank(ranks: np.ndarray, k: int) -> np.ndarray:
    """Per-user 1 / rank within the first k places, shape (U,)."""
    return recall(ranks, k) / np.maximum(ranks, 1)


def per_user_metrics(ranks: np.ndarray, cutoffs: tuple[int, ...] = CUTOFFS) -> dict[str, np.ndarray]:
    """Every metric of every user: names `recall@k`, `ndcg@k`, `mrr@k`."""
    metrics = {"recall": recall, "ndcg": ndcg, "mrr": reciprocal_rank}
    return {f"{name}@{k}": metric(ranks, k) for name, metric in metrics.items() for k in cutoffs}


def summarise(ranks: np.ndarray, cutoffs: tuple[int, ...] = CUTOFFS) -> dict[str, float]:
    """Means over users and their standard errors (`<name>_se`, sample standard deviation / sqrt(U)).

    >>> summary = summarise(np.array([1, 0, 2, 0]), cutoffs=(1, 5))
    >>> summary["recall@1"], summary["recall@5"], round(summary["recall@1_se"], 4)
    (0.25, 0.5, 0.25)
    """
    summary = {}
    for name, values in per_user_metrics(ranks, cutoffs).items():
        spread = float(values.std(ddof=1)) if len(values) > 1 else math.nan
        summary[name] = float(values.mean()) if len(values) else math.nan
        summary[f"{name}_se"] = spread / math.sqrt(max(len(values), 1))
    return summary
