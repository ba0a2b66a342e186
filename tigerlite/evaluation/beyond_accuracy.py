"""What the lists of all users look like together: coverage, Gini index and novelty; no target is looked at.

coverage@k  share of the catalogue that is among the first k items of at least one user.
gini@k      Gini index of how often each item of the catalogue is among the first k: 0 if all items alike, 1 - 1/N if
            one item takes every place.
novelty@k   mean over places of -log2 p(item), p = its share of the training interactions (self-information, bits;
            Zhou et al. 2010, who take the share of users). An item that was never seen counts as seen once: its
            surprise would be infinite.
"""

from collections.abc import Sequence

import numpy as np

CUTOFFS = (1, 10)


def beyond_accuracy(lists: np.ndarray, counts: np.ndarray, cutoffs: Sequence[int] = CUTOFFS) -> dict[str, float]:
    """Coverage, Gini index and novelty at every cutoff.

    Args:
        lists: (U, k) ranked item ids, 0 = an empty place, which counts nowhere.
        counts: (N + 1,) training interactions by item id.
        cutoffs: list lengths.

    >>> found = beyond_accuracy(np.array([[1, 2], [1, 3]]), np.array([0, 2, 1, 1, 4]), cutoffs=(2,))
    >>> found["coverage@2"], found["gini@2"], found["novelty@2"]  # (2 + 3 + 2 + 3) / 4 bits
    (0.75, 0.375, 2.5)
    """
    figures = {}
    for k in cutoffs:
        items = lists[:, :k]
        items = items[items > 0]
        times = np.bincount(items, minlength=len(counts))[1:]
        figures |= {
            f"coverage@{k}": float((times > 0).mean()),
            f"gini@{k}": gini(times),
            f"novelty@{k}": novelty(items, counts),
        }
    return figures


def gini(amounts: np.ndarray) -> float:
    """Gini index of amounts (N,) >= 0; 0 where all are 0.

    >>> gini(np.array([1, 1, 1, 1])), gini(np.array([0, 0, 0, 8]))
    (0.0, 0.75)
    """
    total, n = amounts.sum(), len(amounts)
    if not total:
        return 0.0
    return float(((2 * np.arange(1, n + 1) - n - 1) * np.sort(amounts)).sum() / (n * total))


def novelty(items: np.ndarray, counts: np.ndarray) -> float:
    """Mean self-information of the items in bits, by their share of training interactions (N + 1,); nan without items."""
    if not len(items):
        return float("nan")
    shares = np.maximum(counts, 1) / counts.sum()
    return float(-np.log2(shares[items]).mean())
