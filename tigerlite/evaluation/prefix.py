"""Prefix match: is a recommended item at least of the target's kind, that is, do their first codes agree?

"Top-l match" of arXiv 2601.17787, section 5.2.4 and table 6: an item counts as found if its first l codes are those of
the target; l = L is the item itself. Three figures per prefix length l and cutoff k:

hit@k   1 if any of the first k items matches.
dcg@k   sum over *all* matches at ranks r <= k of 1 / log2(r + 1), not divided by anything. This is what table 6 of the
        paper prints as NDCG; it exceeds 1 (2.95 at most for k = 5) and pays for a list full of the same prefix.
ndcg@k  1 / log2(r + 1) at the rank r of the *first* match, else 0. The target's prefix is the one relevant thing and
        its ideal place is the first, so the figure lies in 0..1 and a second match adds nothing.

At l = L, where items are unique, all of dcg, ndcg and the item-level NDCG agree.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tigerlite.evaluation.canvas import grouped_bars, panels
from tigerlite.evaluation.report import method_order

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CUTOFFS = (5, 10)


def prefix_matches(codes: np.ndarray, items: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Whether the first 1..L codes of each recommended item are those of the target, shape (U, k, L).

    Args:
        codes: (N + 1, L), row 0 is padding.
        items: (U, k) ranked item ids, best first; 0 = an empty place, which matches nothing.
        targets: (U,) item ids.

    >>> codes = np.array([[0, 0], [1, 2], [1, 3], [4, 2]])
    >>> prefix_matches(codes, np.array([[2, 3, 1, 0]]), np.array([1])).astype(int).tolist()
    [[[1, 0], [0, 0], [1, 1], [0, 0]]]
    """
    same = codes[items] == codes[targets][:, None]
    return np.logical_and.accumulate(same, axis=2) & (items > 0)[:, :, None]


def prefix_hit(matches: np.ndarray, k: int) -> np.ndarray:
    """Whether one of the first k items matches, shape (U, L), from matches (U, >= k, L)."""
    return matches[:, :k].any(axis=1).astype(np.float64)


def prefix_dcg(matches: np.ndarray, k: int) -> np.ndarray:
    """The paper's figure, the discounts of all matches among the first k added up, shape (U, L).

    >>> matches = np.array([[[1], [0], [1]]], dtype=bool)
    >>> float(prefix_dcg(matches, 5)[0, 0])  # 1 / log2(2) + 1 / log2(4)
    1.5
    """
    return np.einsum("ukl,k->ul", matches[:, :k], _discounts(matches[:, :k]))


def prefix_ndcg(matches: np.ndarray, k: int) -> np.ndarray:
    """The discount of the first match among the first k, shape (U, L).

    >>> matches = np.array([[[0], [0], [1]]], dtype=bool)
    >>> float(prefix_ndcg(matches, 5)[0, 0])  # 1 / log2(4)
    0.5
    """
    first = matches[:, :k].argmax(axis=1)  # (U, L); 0 also where nothing matches
    return prefix_hit(matches, k) * _discounts(matches[:, :k])[first]


def summarise_prefixes(matches: np.ndarray, cutoffs: Sequence[int] = CUTOFFS) -> list[dict[str, float]]:
    """Means over users and standard errors (`<name>_se`) for prefix lengths 1..L, from matches (U, k, L)."""
    figures = {"hit": prefix_hit, "dcg": prefix_dcg, "ndcg": prefix_ndcg}
    levels: list[dict[str, float]] = [{"n_codes": level + 1} for level in range(matches.shape[2])]
    for name, figure in figures.items():
        for k in cutoffs:
            values = figure(matches, k)  # (U, L)
            errors = values.std(axis=0, ddof=1) / math.sqrt(len(values)) if len(values) > 1 else values[0] * math.nan
            for level, mean, error in zip(levels, values.mean(axis=0), errors, strict=True):
                level |= {f"{name}@{k}": float(mean), f"{name}@{k}_se": float(error)}
    return levels


def plot_prefix_match(methods: Mapping[str, Sequence[Mapping[str, float]]], k: int = 5) -> "Figure":
    """Table 6 of the paper as two panels: DCG as the paper counts, and NDCG of the first match.

    Args:
        methods: method -> what `summarise_prefixes` gives.
        k: cutoff.

    Raises:
        InputError: without matplotlib.
    """
    figure, axes = panels(2, width=4.2)
    methods = {method: methods[method] for method in method_order(methods)}
    lengths = [f"{level['n_codes']}" for level in next(iter(methods.values()))]
    for panel, name, title in ((axes[0], "dcg", "DCG, all matches (paper)"), (axes[1], "ndcg", "NDCG, first match")):
        series = {method: [level[f"{name}@{k}"] for level in levels] for method, levels in methods.items()}
        errors = {method: [level[f"{name}@{k}_se"] for level in levels] for method, levels in methods.items()}
        grouped_bars(panel, lengths, series, errors)
        panel.set(title=title, xlabel="codes that must agree with the target's", ylabel=f"{name.upper()}@{k}")
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def _discounts(matches: np.ndarray) -> np.ndarray:
    """1 / log2(rank + 1) for every place of the lists (U, k, L), shape (k,)."""
    return 1 / np.log2(np.arange(2, matches.shape[1] + 2))
