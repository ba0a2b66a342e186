"""Which figures predict: correlations against scipy, intervals that cover, and the way from records to a table."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tigerlite.config import InputError
from tigerlite.studies import identifiers
from tigerlite.studies.correlations import correlate, plot_correlations, spearman, spearman_interval
from tigerlite.studies.identifiers import collect, to_markdown
from tigerlite.studies.plan import plan, read_study
from tigerlite.studies.records import FILE
from tigerlite.studies.runner import run_jobs


def made(n_sets: int = 20, seed: int = 0) -> list[dict]:
    """Sets of identifiers whose figure `good` orders the scores, `noise` does not, and `same` is constant."""
    generator = np.random.default_rng(seed)
    scores = generator.random(n_sets)
    return [
        {
            "rows": [f"row {place}"],
            "score": float(score),
            "figures": {"good": float(score**3), "bad": -float(score), "noise": float(generator.random()), "same": 1.0},
        }
        for place, score in enumerate(scores)
    ]


def test_rank_correlations_equal_scipys_with_ties():
    generator = np.random.default_rng(0)
    values, scores = generator.integers(0, 5, (6, 30)), generator.integers(0, 8, (6, 30))
    expected = [stats.spearmanr(*pair).statistic for pair in zip(values, scores, strict=True)]
    assert spearman(values, scores).tolist() == pytest.approx(expected)


def test_figures_that_order_the_scores_come_first_and_predict():
    found = correlate(made(), n_resamples=500)
    assert [one.name for one in found[:2]] == ["bad", "good"]
    assert [one.rho for one in found[:2]] == [pytest.approx(-1), pytest.approx(1)]
    assert found[0].predicts
    assert found[2].name == "noise"
    assert not found[2].predicts
    assert "same" not in [one.name for one in found]


def test_an_interval_covers_the_true_correlation_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    true = 6 / np.pi * np.arcsin(0.6 / 2)  # of normal pairs with correlation .6
    covered = 0
    for draw in range(100):
        first, noise = generator.normal(size=(2, 40))
        low, high = spearman_interval(first, 0.6 * first + 0.8 * noise, n_resamples=300, seed=draw)
        covered += low <= true <= high
    assert covered >= 85


def test_copies_of_a_row_make_no_interval_narrower():
    generator = np.random.default_rng(1)
    first, noise = generator.normal(size=(2, 12))
    second = 0.6 * first + 0.8 * noise
    alone = spearman_interval(first, second, n_resamples=2000)
    copied = spearman_interval(np.tile(first, 3), np.tile(second, 3), list(range(12)) * 3, n_resamples=2000)
    assert copied == pytest.approx(alone, abs=0.02)
    taken_apart = spearman_interval(np.tile(first, 3), np.tile(second, 3), n_resamples=2000)
    assert taken_apart[1] - taken_apart[0] < 0.7 * (alone[1] - alone[0])
    uneven = spearman_interval(first, second, ["a"] * 4 + list(range(8)), n_resamples=200)
    assert -1 <= uneven[0] < uneven[1] <= 1


def test_the_picture_shows_every_figure():
    pytest.importorskip("matplotlib")
    found = correlate(made(), n_resamples=200)
    (axes,) = plot_correlations(found).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [one.name for one in found]


def test_intervals_are_seeded():
    assert correlate(made(), n_resamples=200, seed=3) == correlate(made(), n_resamples=200, seed=3)
    assert correlate(made(), n_resamples=200, seed=3) != correlate(made(), n_resamples=200, seed=4)


def test_a_figure_that_some_sets_lack_is_judged_on_the_others():
    table = made()
    for entry in table[:4]:
        del entry["figures"]["good"]
    found = {one.name: one.n_sets for one in correlate(table, n_resamples=200)}
    assert found == {"good": 16, "bad": 20, "noise": 20}


def test_the_table_marks_what_predicts():
    lines = to_markdown(correlate(made(), n_resamples=200)).splitlines()
    assert lines[2].startswith("| bad | -1.00 | -1.00 to -1.00 | 20 | * |")
    assert "by chance about 0 of them" in lines[-1]


def test_too_few_sets_are_refused():
    with pytest.raises(
        InputError, match="the study has 4 finished sets of identifiers; a correlation needs at least 5"
    ):
        correlate(made(4))


@pytest.fixture
def records(toy_study) -> list[dict]:
    """Two rows with one tokenizer and two seeds, run for real."""
    study = read_study(toy_study)
    return run_jobs(plan(study, "films"), toy_study.parent / "results", study="small")


def test_runs_that_share_identifiers_are_one_set_with_their_mean_score(records):
    (entry,) = collect(records)
    assert entry["rows"] == ["fast", "slow"]
    assert entry["score"] == pytest.approx(np.mean([record["validation"]["finetune"] for record in records]))
    out = Path(records[0]["ranks"]).parent.parent
    (written,) = out.glob("reports/tokenize-*/identifiers.json")
    assert json.loads(written.read_text())["figures"] == entry["figures"]
    closed = {**records[0], "fingerprints": {"prepare": "0"}}
    assert len(collect([closed, *records])) == 1
    gone = {**records[0], "fingerprints": {**records[0]["fingerprints"], "tokenize": "0000000000"}}
    with pytest.raises(InputError, match="tokenize-0000000000 is gone, so its identifiers cannot be measured"):
        collect([gone])


def test_the_command_prints_and_writes_the_table(tmp_path, monkeypatch, tigerlite_command):
    (tmp_path / FILE).write_text(json.dumps({"row": "a"}) + "\n")
    monkeypatch.setattr(identifiers, "collect", lambda records: made())
    code, err = tigerlite_command("report", "identifiers", tmp_path, "--n_resamples=200")
    assert (code, err) == (0, "")
    assert "| good | +1.00 |" in (tmp_path / "identifiers.md").read_text()
    stored = json.loads((tmp_path / "identifiers.json").read_text())
    assert (len(stored["correlations"]), len(stored["sets"])) == (3, 20)


def test_rows_can_be_left_out_if_they_exist(tmp_path, monkeypatch, tigerlite_command):
    (tmp_path / FILE).write_text("".join(json.dumps({"row": row}) + "\n" for row in ("a", "control")))
    seen = []
    monkeypatch.setattr(identifiers, "collect", lambda records: seen.extend(records) or made())
    flags = ("--n_resamples=200", "--pictures=false")
    assert tigerlite_command("report", "identifiers", tmp_path, "--without=[control]", *flags) == (0, "")
    assert [record["row"] for record in seen] == ["a"]
    code, err = tigerlite_command("report", "identifiers", tmp_path, "--without=[b]", *flags)
    assert code == 2
    assert "without='b'" in err


def test_a_folder_without_records_is_one_line(tmp_path, tigerlite_command):
    code, err = tigerlite_command("report", "identifiers", tmp_path)
    assert code == 2
    assert "holds no records.jsonl; give the folder RESULTS/STUDY/DATASET" in err
    assert err.count("\n") == 1
