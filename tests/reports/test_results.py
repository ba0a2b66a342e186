"""The tables hold the files' numbers; pictures land beside run.json; what is missing is one line."""

import json
import sys

import pytest

from tigerlite.config import InputError
from tigerlite.evaluation.result_files import BEYOND_ACCURACY, SLICES
from tigerlite.reports import results
from tigerlite.reports.results import Flags, decile_rows, head_tail_rows, prefix_rows


def test_every_part_is_printed_and_drawn(run, capsys):
    results.report(run, Flags())
    out = capsys.readouterr().out
    for part in (
        "test split, 10 users",
        "Head and tail",
        "tail, half of the users",
        "popularity, top-10",
        "coverage@1",
    ):
        assert part in out
    assert {file.name for file in run.glob("*.png")} == {"head_tail.png", "deciles.png", "transitions.png"}


def test_prefix_match_runs_from_the_whole_identifier_to_its_first_code():
    levels = [{"dcg@5": 0.5, "ndcg@5": 0.4, "hit@5": 0.6}, {"dcg@5": 0.2, "ndcg@5": 0.2, "hit@5": 0.3}]
    rows = list(prefix_rows({"tiger": levels, "popularity": levels}))
    assert [row[1] for row in rows] == ["popularity", "tiger"] * 3
    assert [row[2:] for row in rows[::2]] == [("0.2000", "0.5000"), ("0.2000", "0.4000"), ("0.3000", "0.6000")]


def test_head_and_tail_rows_have_sizes_and_standard_errors(run):
    slices = json.loads((run / "evaluate-1" / SLICES).read_text())
    rows = list(head_tail_rows(slices["head_tail"]))
    assert len(rows) == 2 * 2 * 2
    head = slices["head_tail"]["half of the items"]["head"]
    value = head["metrics"]["next"]
    expected = f"{value['recall@10']:.4f} ± {value['recall@10_se']:.4f}"
    assert ("head, half of the items", str(head["n_users"]), str(head["n_items"]), "next", expected) in [
        row[:5] for row in rows
    ]


def test_decile_rows_are_percentages_held_out_items_first():
    found = {"labels": [0.25, 0.75], "methods": {"tiger": {"top-1": [0.0, 1.0]}}}
    assert list(decile_rows(found)) == [("held-out items", "25.0", "75.0"), ("tiger, top-1", "0.0", "100.0")]


@pytest.mark.parametrize("name", [SLICES, BEYOND_ACCURACY])
def test_an_evaluation_by_an_earlier_version_says_how_to_evaluate_again(run, name):
    (run / "evaluate-1" / name).unlink()
    with pytest.raises(InputError, match=f"{name} does not exist: evaluated by an earlier version; to evaluate again"):
        results.report(run, Flags())


def test_a_run_that_was_not_evaluated_is_named(run):
    (run / "run.json").write_text(json.dumps({"prepare": "prepare-1"}))
    with pytest.raises(InputError, match="has no stage evaluate, only prepare"):
        results.report(run, Flags())


def test_without_matplotlib_the_tables_are_printed_and_one_line_says_what_to_install(run, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    results.report(run, Flags(pictures=False))
    with pytest.raises(InputError, match="plots need matplotlib"):
        results.report(run, Flags())
    assert capsys.readouterr().out.count("Beyond accuracy") == 2
