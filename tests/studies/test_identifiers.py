"""The way from a study's records to the table of figures that foretell accuracy."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from toy_identifier_sets import made

from tigerlite.config import InputError
from tigerlite.studies import identifiers
from tigerlite.studies.correlations import Correlation
from tigerlite.studies.identifiers import collect, to_markdown
from tigerlite.studies.plan import plan, read_study
from tigerlite.studies.records import append_record
from tigerlite.studies.runner import run_jobs


def test_the_table_marks_what_predicts():
    found = [
        Correlation("bad", -1.0, -1.0, -1.0, 20),
        Correlation("noise", 0.1, -0.3, 0.5, 16),
    ]
    lines = to_markdown(found).splitlines()
    assert lines[2] == "| bad | -1.00 | -1.00 to -1.00 | 20 | * |"
    assert lines[3] == "| noise | +0.10 | -0.30 to +0.50 | 16 |  |"
    assert "not corrected for 2 figures" in lines[-1]


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


def test_figures_outlive_the_runs(records):
    (entry,) = collect(records)
    shutil.rmtree(Path(records[0]["ranks"]).parent.parent)
    with pytest.raises(InputError, match="is gone"):
        collect(records)
    assert collect(records, {entry["identifiers"]: entry["figures"]}) == [entry]


def test_the_command_prints_and_writes_the_table(tmp_path, monkeypatch, tigerlite_command):
    append_record(tmp_path, {"row": "a", "ranks": "ranks.parquet"})
    monkeypatch.setattr(identifiers, "collect", lambda records, known: made())
    code, err = tigerlite_command("report", "identifiers", tmp_path, "--n_resamples=200")
    assert (code, err) == (0, "")
    assert "| good | +1.00 |" in (tmp_path / "identifiers.md").read_text()
    stored = json.loads((tmp_path / "identifiers.json").read_text())
    assert (len(stored["correlations"]), len(stored["sets"])) == (3, 20)
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures == {entry["identifiers"]: entry["figures"] for entry in made()}


def test_rows_can_be_left_out_if_they_exist(tmp_path, monkeypatch, tigerlite_command):
    for row in ("a", "control"):
        append_record(tmp_path, {"row": row, "ranks": "ranks.parquet"})
    seen = []
    monkeypatch.setattr(identifiers, "collect", lambda records, known: seen.extend(records) or made())
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
