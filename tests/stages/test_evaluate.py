"""Evaluation: ranks against ranking one user at a time, one exclusion rule for all methods, files that agree."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from toy_catalogues import random_histories

from tigerlite.config import ConfigError, InputError, to_dict
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import item_counts
from tigerlite.evaluation.ranking import summarise
from tigerlite.evaluation.result_files import SLICES, read_lists, read_results
from tigerlite.recommenders.base import ScoringRecommender
from tigerlite.recommenders.nextitem import NextItem, NextItemConfig
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.stages import evaluate
from tigerlite.stages.evaluate_config import EvaluateConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

N_ITEMS = 30


class AfterLast(ScoringRecommender):
    """Scores item j by how soon it comes after the last item of the history, in a circle."""

    name = "afterlast"
    fingerprint = "0"

    def scores(self, histories: torch.Tensor) -> torch.Tensor:
        last = histories.gather(1, (histories > 0).sum(dim=1, keepdim=True).sub(1).clamp(min=0))
        return -((torch.arange(N_ITEMS + 1) - last - 1) % N_ITEMS).float()

    def save(self, folder: Path) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def dataset() -> RecDataset:
    return random_histories(40, N_ITEMS, (2, 12))


def slow_ranks(dataset: RecDataset, rows: np.ndarray, exclude: bool) -> list[int]:
    """Rank of each target within 20 under `AfterLast`, one user at a time."""
    ranks = []
    for user, place in rows.tolist():
        history = dataset.items[dataset.offsets[user] : place].tolist()
        order = [(history[-1] + step) % N_ITEMS + 1 for step in range(N_ITEMS)]
        order = [item for item in order if not (exclude and item in history)][:20]
        target = dataset.items[place]
        ranks.append(order.index(target) + 1 if target in order else 0)
    return ranks


@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize("split", ["test", "validation"])
@pytest.mark.parametrize("batch_size", [7, 256])
def test_ranks_equal_ranking_one_user_at_a_time(dataset, tmp_path, exclude, split, batch_size):
    config = EvaluateConfig(split=split, exclude_history=exclude, batch_size=batch_size)
    evaluation = evaluate.run(config, dataset, AfterLast(), out=tmp_path)
    rows = dataset.test if split == "test" else dataset.validation
    expected = slow_ranks(dataset, rows, exclude)
    frame = pl.read_parquet(tmp_path / evaluate.RANKS)
    assert frame["rank/afterlast"].to_list() == expected
    assert frame["user"].to_list() == [f"u{user}" for user in rows[:, 0]]
    assert frame["target"].to_list() == [f"i{dataset.items[place]}" for place in rows[:, 1]]
    assert frame["history_length"].to_list() == [place - dataset.offsets[user] for user, place in rows.tolist()]
    assert evaluation.metrics["afterlast"] == summarise(np.array(expected))
    assert evaluation.settings["n_users"] == len(rows)
    assert evaluation.settings["exclude_history"] is exclude


def test_baselines_are_ranked_on_the_same_users_and_can_be_left_out(dataset, tmp_path):
    every = evaluate.run(EvaluateConfig(), dataset, AfterLast(), out=tmp_path)
    assert set(every.metrics) == {"afterlast", "popularity", "itemknn"}
    frame = pl.read_parquet(tmp_path / evaluate.RANKS)
    for method, metrics in every.metrics.items():
        assert metrics == summarise(frame[f"rank/{method}"].to_numpy().astype(np.int64))
    none = evaluate.run(EvaluateConfig(baselines=()), dataset, AfterLast(), out=tmp_path)
    assert list(none.metrics) == ["afterlast"]


def test_lists_that_could_not_be_filled_are_counted(dataset, tmp_path):
    small = RecDataset(
        **{
            **vars(dataset),
            "items": (dataset.items - 1) % 20 + 1,
            "item_ids": dataset.item_ids[:20],
            "titles": dataset.titles[:20],
        }
    )
    # Twenty items less the history are fewer than the twenty that are asked for.
    config = EvaluateConfig(exclude_history=True, baselines=("popularity",))
    found = evaluate.run(config, small, _First20(), out=tmp_path)
    assert found.settings["short_lists"] == {"afterlast": len(small.test), "popularity": len(small.test)}


class _First20(AfterLast):
    def scores(self, histories: torch.Tensor) -> torch.Tensor:
        return torch.arange(21.0).expand(len(histories), -1)


def test_examples_have_the_last_titles_five_recommendations_and_the_held_out_one(dataset, tmp_path):
    evaluation = evaluate.run(EvaluateConfig(n_examples=2), dataset, AfterLast(), out=tmp_path)
    assert [example["user"] for example in evaluation.examples] == [
        f"u{dataset.test[0, 0]}",
        f"u{dataset.test[-1, 0]}",
    ]
    user, place = dataset.test[0].tolist()
    history = dataset.items[dataset.offsets[user] : place].tolist()
    example = evaluation.examples[0]
    assert example["history"] == [f"Item {item}" for item in history[-5:]]
    assert [title for title, _ in example["recommended"]] == [
        f"Item {(history[-1] + step) % N_ITEMS + 1}" for step in range(5)
    ]
    assert example["held_out"] == f"Item {dataset.items[place]}"
    assert evaluate.run(EvaluateConfig(n_examples=0), dataset, AfterLast(), out=tmp_path).examples == []


def test_results_load_as_they_were_written(dataset, tmp_path):
    evaluation = evaluate.run(EvaluateConfig(), dataset, AfterLast(), out=tmp_path)
    assert evaluate.load(tmp_path) == evaluation
    assert evaluate.load(tmp_path).fingerprint == evaluation.fingerprint
    stored = json.loads((tmp_path / evaluate.METRICS).read_text())
    assert stored["metrics"] == evaluation.metrics


def test_an_empty_split_is_refused_and_nothing_is_written(dataset, tmp_path):
    empty = RecDataset(**{**vars(dataset), "test": dataset.test[:0]})
    with pytest.raises(InputError, match="has no test users; sequences need at least 3 interactions"):
        evaluate.run(EvaluateConfig(), empty, AfterLast(), out=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "train"}, "split='train' is unknown; allowed: test, validation"),
        ({"n_beams": 10}, "n_beams=10 is out of range; allowed: an integer >= 20"),
        ({"batch_size": 0}, "batch_size=0 is out of range"),
        ({"n_examples": -1}, "n_examples=-1 is out of range"),
        ({"baselines": ("popular",)}, "baselines='popular' is unknown; .*did you mean 'popularity'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        EvaluateConfig(**settings)


def test_batches_hold_fewer_users_where_beams_are_many_and_never_none():
    assert EvaluateConfig(n_beams=50).users_per_batch == 256
    assert EvaluateConfig(n_beams=1000).users_per_batch == 65
    assert EvaluateConfig(n_beams=100_000).users_per_batch == 1


def test_exact_decoding_is_asked_of_the_model_and_recorded(dataset, tmp_path):
    codes = torch.cat([torch.zeros(1, 2, dtype=torch.int64), torch.cartesian_prod(torch.arange(6), torch.arange(5))])
    torch.manual_seed(0)
    config = TIGERConfig(t5=T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=8, n_heads=2, d_kv=4, d_ff=8))
    model = TIGER(to_dict(config), TokenizerBank(codes[None], SemanticVocab((6, 5)))).eval()
    settings = {"n_beams": N_ITEMS, "baselines": ()}  # a beam that prunes nothing
    beam = evaluate.run(EvaluateConfig(**settings), dataset, model, out=tmp_path)
    exact = evaluate.run(EvaluateConfig(**settings, decoding="exact"), dataset, model, out=tmp_path)
    assert exact.metrics == beam.metrics
    assert (model.decoding, exact.settings["decoding"], beam.settings["decoding"]) == ("exact", "exact", "beam")


def test_the_prefix_match_of_whole_identifiers_is_the_item_level_metric(dataset, tmp_path):
    codes = torch.cat([torch.zeros(1, 2, dtype=torch.int64), torch.cartesian_prod(torch.arange(6), torch.arange(5))])
    torch.manual_seed(0)
    config = TIGERConfig(t5=T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=8, n_heads=2, d_kv=4, d_ff=8))
    model = TIGER(to_dict(config), TokenizerBank(codes[None], SemanticVocab((6, 5)))).eval()
    found = evaluate.run(EvaluateConfig(n_beams=N_ITEMS), dataset, model, out=tmp_path)
    slices = read_results(tmp_path, SLICES)
    for name, levels in slices["prefix_match"].items():
        for metric, prefix in (("recall", "hit"), ("ndcg", "ndcg"), ("ndcg", "dcg")):
            assert levels[1][f"{prefix}@5"] == pytest.approx(found.metrics[name][f"{metric}@5"])
            assert levels[0][f"{prefix}@5"] >= levels[1][f"{prefix}@5"]
    assert slices["prefix_match"].keys() == read_lists(tmp_path).keys() == {"tiger", "popularity", "itemknn"}


def test_an_approximate_index_is_used_and_its_recall_reported(dataset, tmp_path):
    torch.manual_seed(0)
    model = NextItem(to_dict(NextItemConfig()), item_counts(dataset)).eval()
    found = evaluate.run(EvaluateConfig(approximate=True, n_probes=1, n_examples=0), dataset, model, out=tmp_path)
    assert 0 < found.settings["index_recall"] <= 1
    assert model.index is not None
    with pytest.raises(InputError, match="approximate=true needs an inner-product model, not afterlast"):
        evaluate.run(EvaluateConfig(approximate=True), dataset, AfterLast(), out=tmp_path)
