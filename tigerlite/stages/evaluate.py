"""Stage `evaluate`: rank the whole catalogue for every test user, beside popularity and item-kNN under one exclusion rule."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tigerlite.artifacts import write_json
from tigerlite.columns import HISTORY_LENGTH, RANK, TARGET, USER
from tigerlite.config import InputError, fingerprint
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import item_counts, row_batches
from tigerlite.evaluation.cold import cold_slice
from tigerlite.evaluation.ranking import CUTOFFS, ranks_in_list, summarise
from tigerlite.evaluation.result_files import METRICS
from tigerlite.recommenders.base import Recommender
from tigerlite.recommenders.baselines.closed_forms import CLOSED_FORMS, closed_form
from tigerlite.recommenders.generative import GenerativeRecommender
from tigerlite.recommenders.item_index import ItemIndex
from tigerlite.recommenders.member_ensemble import MemberEnsemble
from tigerlite.recommenders.new_item_share import NewItemShare
from tigerlite.recommenders.nextitem import NextItem
from tigerlite.recommenders.training import TrainedRecommender
from tigerlite.stages.evaluate_config import EvaluateConfig
from tigerlite.stages.free_decoding import FreeBeam, free_rows
from tigerlite.stages.progress import shown
from tigerlite.stages.slices import track_figures, write_slices
from tigerlite.stages.trainer_config import Context

VERSION = 1
TRAINS = False

RANKS = "ranks.parquet"
EXAMPLES = "examples.json"
COLD = "cold.json"

Method = Recommender | MemberEnsemble | NewItemShare

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """What the stage found; `metrics[method]` holds means and standard errors."""

    metrics: dict[str, dict[str, float]]
    settings: dict[str, Any]
    examples: list[dict[str, Any]]
    folder: Path

    @property
    def fingerprint(self) -> str:
        """A name for these results."""
        return fingerprint(self.metrics, self.settings)


def run(
    config: EvaluateConfig,
    dataset: RecDataset,
    model: Recommender,
    ensemble: MemberEnsemble | None = None,
    *,
    out: Path,
    context: Context | None = None,
) -> Evaluation:
    """Rank every held-out item under every method; write metrics, per-user ranks and examples.

    Raises:
        InputError: if the split is empty, an index is asked for and the model has no item embeddings, a free beam or a share of
            new items and it writes no identifiers, or an ensemble and there is none.
    """
    rows = dataset.test if config.split == "test" else dataset.validation
    if not len(rows):
        raise InputError(f"the data set has no {config.split} users; sequences need at least 3 interactions")
    if config.ensemble and ensemble is None:
        raise InputError("evaluate.ensemble=true ranks by several members and none are given; set it to false")
    methods = _methods(config, dataset, model, ensemble if config.ensemble else None)
    for trained in (model, *(ensemble.models if config.ensemble else ())):
        _set_up(trained, config, context or Context())
    beam = None if config.free_beam == "none" else FreeBeam(model, config.free_beam, config.n_beams)
    found = _indexed(config, dataset, rows, model) if config.approximate else {}
    if config.ensemble:
        found |= {"ensemble_members": len(ensemble.models)}
    ranked = {name: _ranks(name, method, dataset, rows, config) for name, method in methods.items()}
    ranks = {name: value for name, (value, _) in ranked.items()}
    lists = {name: items for name, (_, items) in ranked.items()}
    if beam is not None:
        _, items = _ranks(f"{model.name} without trie", beam, dataset, rows, config)
        free = free_rows(model.name, items, dataset.items[rows[:, 1]])
        ranks, lists = ranks | free.ranks, lists | free.lists
        found |= {"free_beam": config.free_beam, "invalid_rate": free.invalid}
    metrics = {name: summarise(value) for name, value in ranks.items()}
    settings = {
        "method": model.name,
        "split": config.split,
        "n_users": len(rows),
        "decoding": config.decoding,
        "n_beams": config.n_beams,
        "exclude_history": config.exclude_history,
        "short_lists": {name: int((items == 0).any(axis=1).sum()) for name, items in lists.items()},
        **found,
    }
    _write_ranks(out / RANKS, dataset, rows, ranks)
    cold = cold_slice(ranks, dataset.items[rows[:, 1]], item_counts(dataset))
    if cold is not None:
        write_json(out / COLD, asdict(cold))
    codes = model.bank.primary.numpy() if isinstance(model, GenerativeRecommender) else None
    figures = write_slices(out, dataset, rows, ranks=ranks, lists=lists, codes=codes)
    write_json(out / EXAMPLES, _examples(model, dataset, rows, config))
    write_json(out / METRICS, {"metrics": metrics, "settings": settings})
    if context and context.tracker:
        context.tracker.log(
            "evaluate", {f"{m}/{name}": v for m, values in metrics.items() for name, v in values.items()} | figures
        )
        if context.tracker.shows_figures:
            track_figures(context.tracker, out)
    return load(out)


def _methods(
    config: EvaluateConfig, dataset: RecDataset, model: Recommender, ensemble: MemberEnsemble | None
) -> dict[str, Method]:
    """What is ranked, by name: the model, the same with new items, the members together, the closed forms."""
    methods: dict[str, Method] = {model.name: model}
    if config.new_item_share:
        new = np.flatnonzero(item_counts(dataset)[1:] == 0) + 1
        shared = NewItemShare(model, new.tolist(), config.new_item_share, config.new_item_codes)
        methods[shared.name] = shared
    if ensemble is not None:
        methods[ensemble.name] = ensemble
    for name in CLOSED_FORMS:
        if name in config.baselines and name != model.name:
            methods[name] = closed_form(name, dataset, config.itemknn)
    return methods


def _set_up(model: Recommender, config: EvaluateConfig, context: Context) -> None:
    """Tell a model how to decode, and where."""
    if isinstance(model, GenerativeRecommender):
        model.n_beams, model.decoding = config.n_beams, config.decoding
    if isinstance(model, TrainedRecommender):
        model.to(context.trainer.device())


def _indexed(config: EvaluateConfig, dataset: RecDataset, rows: np.ndarray, model: Recommender) -> dict[str, float]:
    """Give the model its index; what share of the exact lists it finds for the first 1,000 users."""
    if not isinstance(model, NextItem):
        raise InputError(f"evaluate.approximate=true needs an inner-product model, not {model.name}; set it to false")
    model.index = ItemIndex.build(model.item_embeddings, approximate=True, n_probes=config.n_probes)
    batches = row_batches(dataset, rows[:1000], batch_size=config.users_per_batch, max_history=len(dataset.items))
    with torch.inference_mode():
        states = torch.cat([model.history_states(batch.histories.to(model.device)) for batch in batches])
    recall = model.index.recall(states, max(CUTOFFS))
    log.info("the index finds %.1f %% of the exact top %d", 100 * recall, max(CUTOFFS))
    return {"index_recall": recall}


def load(folder: Path) -> Evaluation:
    """The results in a finished folder."""
    stored = json.loads((folder / METRICS).read_text())
    examples = json.loads((folder / EXAMPLES).read_text())
    return Evaluation(metrics=stored["metrics"], settings=stored["settings"], examples=examples, folder=folder)


def _ranks(
    name: str,
    method: Method | FreeBeam,
    dataset: RecDataset,
    rows: np.ndarray,
    config: EvaluateConfig,
) -> tuple[np.ndarray, np.ndarray]:
    """Ranks (U,) and ranked items (U, k), 0 where fewer than k could be returned, in the order of `rows`."""
    k = max(CUTOFFS)
    # Similar lengths together: users in their own order would pad most histories to the longest.
    order = np.argsort(rows[:, 1] - dataset.offsets[rows[:, 0]], kind="stable")
    ranks, lists = [], []
    # Whole histories: a method reads what it wants of them, exclusion needs all.
    batches = row_batches(dataset, rows[order], batch_size=config.users_per_batch, max_history=len(dataset.items))
    n_batches = -(-len(rows) // config.users_per_batch)
    for batch in shown(batches, total=n_batches, description=f"evaluate {name}"):
        items, _ = method.recommend(batch.histories, k, batch.times, config.exclude_history)
        # Everything stays on the method's device until the end, so that no batch waits for the one before.
        ranks.append(ranks_in_list(items, batch.targets.to(items.device)))
        lists.append(items.int())
    place = np.argsort(order)
    return torch.cat(ranks).cpu().numpy()[place], torch.cat(lists).cpu().numpy()[place]


def _write_ranks(file: Path, dataset: RecDataset, rows: np.ndarray, ranks: dict[str, np.ndarray]) -> None:
    import polars as pl

    users, positions = rows[:, 0], rows[:, 1]
    frame = pl.DataFrame(
        {
            USER: [dataset.user_ids[user] for user in users],
            TARGET: [dataset.item_ids[dataset.items[position] - 1] for position in positions],
            HISTORY_LENGTH: (positions - dataset.offsets[users]).astype(np.int32),
            **{f"{RANK}/{name}": value.astype(np.int16) for name, value in ranks.items()},
        }
    )
    frame.write_parquet(file)


def _examples(
    model: Recommender, dataset: RecDataset, rows: np.ndarray, config: EvaluateConfig
) -> list[dict[str, Any]]:
    if not config.n_examples:
        return []
    chosen = rows[np.linspace(0, len(rows) - 1, min(config.n_examples, len(rows))).astype(int)]
    batch = next(row_batches(dataset, chosen, batch_size=len(chosen), max_history=len(dataset.items)))
    items, scores = model.recommend(batch.histories, 5, batch.times, config.exclude_history)

    def title(item: int) -> str:
        return dataset.titles[item - 1]

    return [
        {
            "user": dataset.user_ids[user],
            "history": [title(item) for item in history[history > 0][-5:].tolist()],
            "recommended": [(title(item), score) for item, score in zip(row, values, strict=True) if item],
            "held_out": title(target),
        }
        for user, history, target, row, values in zip(
            batch.users.tolist(), batch.histories, batch.targets.tolist(), items.tolist(), scores.tolist(), strict=True
        )
    ]
