"""`tigerlite report results RUN`: who is served well, beyond the mean.

Prints head and tail, popularity deciles, prefix match (arXiv 2601.17787, table 6 and figures 2 and 3), repeats and transitions
(2603.19809) and the figures beyond accuracy; draws `head_tail.png`, `deciles.png`, `transitions.png` and `prefix_match.png` into
the run's folder.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tigerlite.evaluation.pictures import save_figures, slice_figures
from tigerlite.evaluation.report import method_order
from tigerlite.evaluation.result_files import BEYOND_ACCURACY, SLICES, read_results
from tigerlite.evaluation.slices import N_DECILES
from tigerlite.evaluation.transitions import KINDS, contributions
from tigerlite.reports.run_folders import picture_folder, stage_folder
from tigerlite.reports.terminal import console, print_table

SHOWN = ("recall@10", "ndcg@5", "ndcg@10")
PREFIX_FIGURES = {
    "dcg@5": "DCG@5, all matches (what the paper calls NDCG@5)",
    "ndcg@5": "NDCG@5, first match",
    "hit@5": "Hit@5",
}


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Flags of `tigerlite report results RUN`."""

    pictures: bool = True
    """Draw the pictures; needs matplotlib."""


def report(run: Path, flags: Flags) -> None:
    """Print the tables of a run's evaluation and draw its pictures.

    Raises:
        InputError: if the run was not evaluated, or by a version that wrote no slices.
    """
    folder = stage_folder(run, "evaluate")
    slices, beyond = read_results(folder, SLICES), read_results(folder, BEYOND_ACCURACY)
    settings = json.loads((folder / "metrics.json").read_text())["settings"]
    console().print(f"{settings['split']} split, {slices['n_users']:,} users; popularity = training interactions")
    if "invalid_rate" in settings:
        by_length = sorted(settings["invalid_rate"].items(), key=lambda found: int(found[0]))
        rates = ", ".join(f"{100 * rate:.2f} % of the first {length}" for length, rate in by_length)
        console().print(f"Without the trie ({settings['free_beam']}) hypotheses are no item: {rates}", soft_wrap=True)
    columns = ("", "users", "items", "method", *SHOWN)
    print_table("Head and tail: mean ± standard error", columns, head_tail_rows(slices["head_tail"]))
    if "transitions" in slices:  # results of earlier versions lack them
        columns = ("held-out item", "users", "method", *SHOWN, "adds to ndcg@10")
        print_table("What a hit takes: mean ± standard error", columns, transition_rows(slices["transitions"]))
    columns = ("decile of items (1: rarest)", *map(str, range(1, N_DECILES + 1)))
    print_table("Where held-out and recommended items lie, % of entries", columns, decile_rows(slices["deciles"]))
    if slices["prefix_match"]:
        n_levels = len(next(iter(slices["prefix_match"].values())))
        columns = ("figure", "method", *(f"top-{n_codes}" for n_codes in range(n_levels, 0, -1)))
        print_table("Prefix match: first codes equal those of the target", columns, prefix_rows(slices["prefix_match"]))
    names = tuple(next(iter(beyond.values())))
    print_table("Beyond accuracy (novelty in bits)", ("method", *names), beyond_rows(beyond, names))
    if flags.pictures:
        files = save_figures(slice_figures(slices), picture_folder(run))
        console().print(f"Pictures: {', '.join(map(str, files.values()))}", soft_wrap=True)


def head_tail_rows(splits: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row per split, side and method."""
    for split, sides in splits.items():
        for side, found in sides.items():
            size = (f"{found['n_users']:,}", f"{found['n_items']:,}")
            for method in method_order(found["metrics"]):
                values = found["metrics"][method]
                shown = (f"{values[name]:.4f} ± {values[name + '_se']:.4f}" for name in SHOWN)
                yield (f"{side}, {split}", *size, method, *shown)


def transition_rows(kinds: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row per kind of target and method; the last column adds up to the method's NDCG@10 over all users."""
    parts, n_users = contributions(kinds), max(sum(found["n_users"] for found in kinds.values()), 1)
    for number, kind in enumerate(KINDS):
        found = kinds[kind]
        size = f"{found['n_users']:,} ({found['n_users'] / n_users:.1%})"
        for method in method_order(found["metrics"]):
            values = found["metrics"][method]
            shown = (f"{values[name]:.4f} ± {values[name + '_se']:.4f}" for name in SHOWN)
            yield (kind, size, method, *shown, f"{parts[method][number]:.4f}")


def decile_rows(deciles: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Held-out items first, then every method's lists."""
    yield ("held-out items", *(f"{100 * share:.1f}" for share in deciles["labels"]))
    for method in method_order(deciles["methods"]):
        for length, shares in deciles["methods"][method].items():
            yield (f"{method}, {length}", *(f"{100 * share:.1f}" for share in shares))


def prefix_rows(methods: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The paper's table 6 for every figure: columns from the whole identifier down to its first code."""
    for figure, name in PREFIX_FIGURES.items():
        for method in method_order(methods):
            yield (name, method, *(f"{level[figure]:.4f}" for level in reversed(methods[method])))


def beyond_rows(methods: Mapping[str, Mapping[str, float]], names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A row per method."""
    for method in method_order(methods):
        yield (method, *(f"{methods[method][name]:.4f}" for name in names))
