"""What the stage `evaluate` writes beside its metrics: lists, slices by popularity and transition, prefix match, coverage.

None of it changes a key or a value of `metrics.json`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tigerlite.artifacts import write_json
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import item_counts
from tigerlite.evaluation.beyond_accuracy import beyond_accuracy
from tigerlite.evaluation.pictures import save_figures, slice_figures
from tigerlite.evaluation.prefix import prefix_matches, summarise_prefixes
from tigerlite.evaluation.result_files import BEYOND_ACCURACY, SLICES, read_results, write_lists
from tigerlite.evaluation.slices import head_tail, label_and_prediction_deciles
from tigerlite.evaluation.transitions import by_kind, target_kinds
from tigerlite.tracking import Tracker

SCALARS = ("recall@10", "ndcg@10")


def write_slices(
    out: Path,
    dataset: RecDataset,
    rows: np.ndarray,
    *,
    ranks: Mapping[str, np.ndarray],
    lists: Mapping[str, np.ndarray],
    codes: np.ndarray | None = None,
) -> dict[str, float]:
    """Write `lists.safetensors`, `slices.json` and `beyond_accuracy.json`.

    Args:
        out: the stage's folder.
        dataset: whose training part says how popular an item is.
        rows: (U, 2) user and position of the held-out item.
        ranks: method -> (U,) rank of the target, 0 where absent.
        lists: method -> (U, k) ranked item ids.
        codes: (N + 1, L) identifiers of the model; all methods are then matched by prefix.

    Returns:
        Flat numbers for tracking, `METHOD/name`.
    """
    counts, targets = item_counts(dataset), dataset.items[rows[:, 1]]
    kinds = target_kinds(dataset.items, dataset.offsets, dataset.train_ends, rows)
    beyond = {name: beyond_accuracy(items, counts) for name, items in lists.items()}
    slices = {
        "n_users": len(targets),
        "head_tail": head_tail(ranks, targets, counts),
        "transitions": by_kind(ranks, kinds),
        "deciles": label_and_prediction_deciles(lists, targets, counts),
        "prefix_match": {} if codes is None else _prefixes(codes, targets, lists),
    }
    write_lists(out, dict(lists))
    write_json(out / SLICES, slices)
    write_json(out / BEYOND_ACCURACY, beyond)
    return _flat(slices, beyond)


def track_figures(tracker: Tracker, out: Path) -> None:
    """Save the pictures of `slices.json` into the stage's folder and show them in W&B, where matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    for name, file in save_figures(slice_figures(read_results(out, SLICES)), out).items():
        tracker.figure("evaluate", name, file)


def _prefixes(codes: np.ndarray, targets: np.ndarray, lists: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {name: summarise_prefixes(prefix_matches(codes, items, targets)) for name, items in lists.items()}


def _flat(slices: Mapping[str, Any], beyond: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    flat = {f"{method}/{name}": value for method, values in beyond.items() for name, value in values.items()}
    for side, found in slices["head_tail"]["half of the items"].items():
        for method, metrics in found["metrics"].items():
            flat |= {f"{method}/{side}/{name}": metrics[name] for name in SCALARS}
    return flat
