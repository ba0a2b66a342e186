"""What is written beside the metrics: lists that the ranks follow from, slices that add up to the whole."""

import json

import numpy as np
import pytest
import torch
from toy_catalogues import random_histories

from tests.reference.prefix_match import slow_prefix_figures
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import item_counts
from tigerlite.evaluation.beyond_accuracy import beyond_accuracy
from tigerlite.evaluation.ranking import ranks_in_list, summarise
from tigerlite.evaluation.result_files import BEYOND_ACCURACY, SLICES, read_lists
from tigerlite.evaluation.transitions import contributions
from tigerlite.stages.slices import track_figures, write_slices
from tigerlite.tracking import Tracker, TrackingConfig

N_ITEMS = 15


@pytest.fixture(scope="module")
def dataset() -> RecDataset:
    return random_histories(30, N_ITEMS, (3, 9))


@pytest.fixture
def written(dataset, tmp_path) -> dict:
    """Random lists of two methods, what was written about them, and the flat numbers."""
    rng = np.random.default_rng(1)
    targets = dataset.items[dataset.test[:, 1]]
    lists = {name: np.stack([rng.permutation(N_ITEMS)[:10] + 1 for _ in targets]) for name in ("tiger", "popularity")}
    ranks = {
        name: ranks_in_list(torch.from_numpy(items), torch.from_numpy(targets)).numpy() for name, items in lists.items()
    }
    codes = np.concatenate([[[0, 0]], np.stack(np.unravel_index(np.arange(N_ITEMS), (3, 5)), axis=1)])
    flat = write_slices(tmp_path, dataset, dataset.test, ranks=ranks, lists=lists, codes=codes)
    read = {name: json.loads((tmp_path / name).read_text()) for name in (SLICES, BEYOND_ACCURACY)}
    return {"targets": targets, "lists": lists, "ranks": ranks, "codes": codes, "flat": flat, "out": tmp_path, **read}


def test_lists_are_kept_for_every_user_and_method(written):
    found = read_lists(written["out"])
    assert {name: items.tolist() for name, items in found.items()} == {
        name: items.tolist() for name, items in written["lists"].items()
    }


def test_head_and_tail_add_up_to_all_users(written):
    for sides in written[SLICES]["head_tail"].values():
        assert sum(side["n_users"] for side in sides.values()) == len(written["targets"])
        hits = sum(side["n_users"] * side["metrics"]["tiger"]["recall@10"] for side in sides.values())
        assert hits == pytest.approx((written["ranks"]["tiger"] > 0).sum())


def test_what_every_kind_of_target_adds_is_the_whole(written):
    found = written[SLICES]["transitions"]
    assert sum(kind["n_users"] for kind in found.values()) == len(written["targets"])
    for name, ranks in written["ranks"].items():
        assert sum(contributions(found)[name]) == pytest.approx(summarise(ranks)["ndcg@10"])


def test_prefix_match_is_that_of_the_lists_for_every_method(written):
    codes, targets = written["codes"].tolist(), written["targets"].tolist()
    for name, items in written["lists"].items():
        slow = [
            slow_prefix_figures(codes, ranked, target, 1, 5)
            for ranked, target in zip(items.tolist(), targets, strict=True)
        ]
        first = written[SLICES]["prefix_match"][name][0]
        assert (first["hit@5"], first["dcg@5"], first["ndcg@5"]) == pytest.approx(tuple(np.mean(slow, axis=0)))


def test_popularity_is_counted_in_training_alone(written, dataset):
    expected = beyond_accuracy(written["lists"]["tiger"], item_counts(dataset))
    assert written[BEYOND_ACCURACY]["tiger"] == pytest.approx(expected)
    assert written["flat"]["tiger/novelty@10"] == expected["novelty@10"]


def test_flat_numbers_name_method_and_side(written):
    tail = written[SLICES]["head_tail"]["half of the items"]["tail"]["metrics"]
    assert written["flat"]["popularity/tail/ndcg@10"] == tail["popularity"]["ndcg@10"]


def test_a_model_without_identifiers_has_no_prefix_match(written, dataset, tmp_path):
    write_slices(tmp_path, dataset, dataset.test, ranks=written["ranks"], lists=written["lists"])
    assert json.loads((tmp_path / SLICES).read_text())["prefix_match"] == {}


class _Shown(Tracker):
    """Remembers its figures."""

    def __init__(self) -> None:
        self.shown = {}

    def figure(self, stage, name, file) -> None:
        self.shown[f"{stage}/{name}"] = file


def test_figures_are_files_of_the_stage_and_shown(written):
    tracker = _Shown()
    track_figures(tracker, written["out"])
    assert tracker.shown.keys() == {
        f"evaluate/{name}" for name in ("head_tail", "deciles", "transitions", "prefix_match")
    }
    assert all(file.parent == written["out"] and file.exists() for file in tracker.shown.values())


def test_without_wandb_nobody_sees_figures(tmp_path):
    assert not Tracker(tmp_path, TrackingConfig()).shows_figures
