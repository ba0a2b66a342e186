"""Cold start through the whole pipeline: held-out films are in no training part, and every method has its line."""

import json

import numpy as np
import polars as pl
import pytest

from tigerlite.config import from_dict
from tigerlite.data.sequences import item_counts
from tigerlite.evaluation.ranking import summarise
from tigerlite.evaluation.report import print_run
from tigerlite.stages.pipeline import train
from tigerlite.stages.pipeline_config import PipelineConfig


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("cold")


@pytest.fixture
def run(out, toy_settings):
    settings = {**toy_settings, "out": str(out)}
    settings["prepare"]["cold"] = {"share": 0.15}
    return train(from_dict(PipelineConfig, settings))


def test_cold_films_have_identifiers_and_no_training_event(run):
    counts = item_counts(run.dataset)[1:]
    assert (counts == 0).sum() >= 9
    assert run.bank.n_items == run.dataset.n_items == 60
    assert run.dataset.statistics["cold_items"] == 9
    assert run.dataset.statistics["items_outside_training"] == (counts == 0).sum()
    cold = np.flatnonzero(counts == 0) + 1
    for user, place in run.dataset.test:
        assert not np.isin(run.dataset.items[run.dataset.offsets[user] : place], cold).any()


def test_the_slice_holds_every_method_and_equals_the_ranks_of_its_users(run):
    found = json.loads((run.folders["evaluate"] / "cold.json").read_text())
    frame = pl.read_parquet(run.folders["evaluate"] / "ranks.parquet")
    counts = dict(zip(run.dataset.item_ids, item_counts(run.dataset)[1:].tolist(), strict=True))
    cold = frame.filter(pl.Series([counts[target] == 0 for target in frame["target"]]))
    assert found["n_users"] == len(cold) == run.dataset.statistics["cold_test_users"] > 5
    assert set(found["metrics"]) == {"tiger", "popularity", "itemknn"}
    for method, metrics in found["metrics"].items():
        assert metrics == pytest.approx(summarise(cold[f"rank/{method}"].to_numpy().astype(np.int64)))


def test_a_share_of_the_lists_for_new_items_is_a_row_beside_the_model(out, toy_settings, run):
    settings = {**toy_settings, "out": str(out)}
    settings["prepare"]["cold"] = {"share": 0.15}
    settings["evaluate"] = {**settings.get("evaluate", {}), "new_item_share": 0.5, "new_item_codes": 1}
    shared = train(from_dict(PipelineConfig, settings))
    assert shared.folders["finetune"] == run.folders["finetune"]
    assert shared.folders["evaluate"] != run.folders["evaluate"]
    with_share, without = (
        json.loads((of.folders["evaluate"] / "cold.json").read_text())["metrics"] for of in (shared, run)
    )
    assert with_share["tiger"] == without["tiger"]
    assert with_share["tiger_new_items"]["recall@20"] > without["tiger"]["recall@20"]
    assert set(shared.evaluation.metrics) == {"tiger", "tiger_new_items", "popularity", "itemknn"}


def test_methods_that_know_items_by_number_find_none(run):
    found = json.loads((run.folders["evaluate"] / "cold.json").read_text())["metrics"]
    assert found["popularity"]["recall@20"] == 0
    assert found["itemknn"]["recall@5"] == 0


def test_the_report_shows_the_slice(run, capsys):
    print_run(run.folders)
    assert "Targets never seen in training" in capsys.readouterr().out


def test_a_run_without_cold_targets_has_no_slice(toy_settings, toy_metrics, tmp_path):
    settings = {**toy_settings, "out": str(tmp_path), "finetune": {"method": "popularity"}}
    whole = train(from_dict(PipelineConfig, settings))
    assert not (whole.folders["evaluate"] / "cold.json").exists()
    assert "cold_items" not in whole.dataset.statistics
    assert whole.evaluation.metrics["popularity"] == toy_metrics["popularity"]
