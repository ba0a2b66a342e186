"""Kinds of targets against their definition written out, and what each adds to a metric."""

from itertools import pairwise

import numpy as np
import pytest
from toy_catalogues import random_histories

from tigerlite.evaluation.ranking import summarise
from tigerlite.evaluation.transitions import KINDS, by_kind, contributions, plot_contributions, target_kinds
from tigerlite.reports.results import transition_rows


def slow_kinds(dataset, rows) -> list[str]:
    """Every target looked up by hand."""
    histories = [dataset.items[start:end] for start, end in zip(dataset.offsets, dataset.offsets[1:], strict=False)]
    seen = set()
    for history, start, end in zip(histories, dataset.offsets, dataset.train_ends, strict=False):
        training = history[: end - start].tolist()
        seen |= set(pairwise(training))
    found = []
    for user, position in rows:
        before, target = dataset.items[dataset.offsets[user] : position].tolist(), int(dataset.items[position])
        known = bool(before) and (before[-1], target) in seen
        found.append("repeat" if target in before else "seen transition" if known else "new transition")
    return found


@pytest.mark.parametrize("split", ["test", "validation"])
def test_kinds_equal_the_definition(split):
    dataset = random_histories(60, 9, (3, 9))
    rows = getattr(dataset, split)
    kinds = target_kinds(dataset.items, dataset.offsets, dataset.train_ends, rows)
    found = [KINDS[kind] for kind in kinds]
    assert found == slow_kinds(dataset, rows)
    assert set(found) == set(KINDS)


def test_a_target_without_a_history_is_new():
    kinds = target_kinds(np.array([3, 3, 4]), np.array([0, 1, 3]), np.array([0, 3]), np.array([[0, 0]]))
    assert kinds.tolist() == [2]


def test_parts_add_up_to_the_metric_of_all_users():
    rng = np.random.default_rng(0)
    ranks = {"tiger": rng.integers(0, 12, 50), "popularity": rng.integers(0, 12, 50)}
    kinds = rng.integers(0, 3, 50)
    found = by_kind(ranks, kinds)
    assert [found[kind]["n_users"] for kind in KINDS] == np.bincount(kinds).tolist()
    for name, values in ranks.items():
        assert sum(contributions(found)[name]) == pytest.approx(summarise(values)["ndcg@10"])


def test_parts_stand_in_the_order_of_the_kinds_also_when_read_from_a_file():
    found = by_kind({"tiger": np.array([1, 2, 0])}, np.array([0, 1, 2]))
    assert contributions({kind: found[kind] for kind in sorted(found)}) == contributions(found)
    assert [row[0] for row in transition_rows({kind: found[kind] for kind in sorted(found)})] == list(KINDS)


def test_a_kind_without_targets_adds_nothing():
    found = by_kind({"tiger": np.array([1, 0])}, np.array([0, 2]))
    assert found["seen transition"] == {"n_users": 0, "metrics": {}}
    assert contributions(found)["tiger"] == [0.5, 0.0, 0.0]


def test_bars_are_cut_into_the_parts():
    axes = plot_contributions({"sasrec": [0.2, 0.1, 0.05], "tiger": [0.0, 0.1, 0.2]}).axes[0]
    assert [round(bar.get_height(), 2) for bar in axes.patches] == [0.2, 0.0, 0.1, 0.1, 0.05, 0.2]
    assert [round(bar.get_y(), 2) for bar in axes.patches][-2:] == [0.3, 0.1]
