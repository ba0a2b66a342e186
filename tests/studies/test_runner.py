"""Runs are made once: not again after a finish, a kill or beside another process; their records say what they cost."""

import json
import logging
import os
import signal
import subprocess
import time
from dataclasses import replace

import pytest
import yaml

from tigerlite.config import InputError
from tigerlite.stages import recommend
from tigerlite.studies.plan import plan, read_study
from tigerlite.studies.records import FILE, read_records
from tigerlite.studies.runner import run_jobs
from tigerlite.studies.summary import summarise_study


def without_times(records: list[dict]) -> list[dict]:
    """What does not depend on how long something took or which process did it."""
    names = ("row", "seed", "key", "metrics", "baselines", "updates", "n_parameters", "fingerprints", "settings")
    return [{name: record[name] for name in names} for record in records]


def test_a_study_runs_once_and_shares_finished_stages(toy_study, tmp_path, monkeypatch, caplog):
    built = []
    original = recommend.run
    monkeypatch.setattr(recommend, "run", lambda *given, **named: built.append(1) or original(*given, **named))
    jobs = plan(read_study(toy_study), "films")
    with caplog.at_level(logging.INFO):
        records = run_jobs(jobs, tmp_path / "results", study="small")
    assert len(built) == 4
    assert "seed 1: NDCG@10" in caplog.text
    assert "4 of 4 runs done, about 0 min left" in caplog.text
    assert run_jobs(jobs, tmp_path / "results", study="small") == records
    assert len(built) == 4
    assert [(record["row"], record["seed"]) for record in records] == [(job.row, job.seed) for job in jobs]
    assert records[0]["built"] == ["prepare", "encode", "tokenize", "finetune", "calibrate", "evaluate"]
    assert [record["built"] for record in records[1:]] == [["finetune", "calibrate", "evaluate"]] * 3
    assert len({record["fingerprints"]["tokenize"] for record in records}) == 1
    assert len({record["fingerprints"]["finetune"] for record in records}) == 4
    first = records[0]
    samples = sum(1 for _ in _training_targets(tmp_path, first))
    assert first["updates"] == {"finetune": 2 * -(-samples // 64)}  # 2 epochs of batches of 64
    assert first["seconds"]["finetune"] > 0
    assert 0.1 < first["peak_memory_gib"]["process"] < 16
    assert set(first["baselines"]) == {"popularity", "itemknn"}
    assert first["validation"]["finetune"] > 0
    assert not list((tmp_path / "results").glob("*.claim"))


def _training_targets(tmp_path, record):
    statistics = json.loads(
        (tmp_path / "runs" / f"prepare-{record['fingerprints']['prepare']}/statistics.json").read_text()
    )
    return range(statistics["training_samples"])


def test_a_row_added_later_runs_alone_and_a_changed_one_again(toy_study, tmp_path):
    study = read_study(toy_study)
    only_fast = replace(
        study, config=replace(study.config, rows={"fast": study.config.rows["fast"]}, baseline="", seeds=(0,))
    )
    run_jobs(plan(only_fast, "films"), tmp_path, study="small")
    run_jobs(plan(replace(study, config=replace(study.config, seeds=(0,))), "films"), tmp_path, study="small")
    assert [record["row"] for record in read_records(tmp_path)] == ["fast", "slow"]
    again = run_jobs(plan(only_fast, "films", ["--finetune.tiger.epochs=1"]), tmp_path, study="small")
    assert len(read_records(tmp_path)) == 3
    assert again == [read_records(tmp_path)[2]]


def test_a_killed_study_is_finished_by_two_processes_with_the_records_of_an_undisturbed_one(
    toy_study, tmp_path, command
):
    results = tmp_path / "results"
    call = [*command, f"--study={toy_study}", f"--results={results}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    records = results / "small" / "films" / FILE
    process = subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        # Killed in the second run's training: one record is there, a checkpoint of the next.
        if records.exists() and list((tmp_path / "runs").glob("finetune-*.part/last.ckpt")):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = records.read_text()
    with records.open("a") as stream:
        stream.write('{"row": "slow", "se')  # a line that a crash cut short
    both = [
        subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in "ab"
    ]
    printed = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    assert sum(text.count("was cut short by a crash and is skipped") for text in printed) == 1
    assert any("4 runs, 1 of them finished before" in text for text in printed)  # the first to start
    made = [(record["row"], record["seed"]) for record in read_records(records.parent)]
    assert sorted(made) == [("fast", 0), ("fast", 1), ("slow", 0), ("slow", 1)]
    assert records.read_text().startswith(left)
    jobs = plan(read_study(toy_study), "films", [f"--out={tmp_path / 'fresh'}"])
    whole = run_jobs(jobs, tmp_path / "fresh results", study="small")
    assert without_times(run_jobs(jobs, records.parent, study="small")) == without_times(whole)
    assert sum(len(record["continued"]) for record in read_records(records.parent)) == 1
    for file in ("table.md", "table.csv", "table.png"):
        assert (records.parent / file).stat().st_size > 0


def test_a_run_over_several_processes_is_refused(toy_study, tmp_path):
    jobs = plan(read_study(toy_study), "films", ["--trainer.devices=2"])
    with pytest.raises(InputError, match="a study trains every run in one process; for several devices start"):
        run_jobs(jobs, tmp_path, study="small")


def test_a_process_that_srun_numbered_is_refused_instead_of_waiting_for_the_first(toy_study, tmp_path, monkeypatch):
    jobs = plan(read_study(toy_study), "films")
    monkeypatch.setenv("SLURM_PROCID", "1")
    with pytest.raises(InputError, match="a study trains every run in one process; for several devices start"):
        run_jobs(jobs, tmp_path, study="small")


def test_classic_and_generative_rows_make_one_table(toy_study, tmp_path):
    rows = {
        "slow": {},
        "sasrec": {"finetune": {"method": "nextitem", "nextitem.epochs": 1}},
        "knn": {"finetune.method": "itemknn"},
    }
    content = yaml.safe_load(toy_study.read_text()) | {"rows": rows, "seeds": [0]}
    toy_study.write_text(yaml.safe_dump(content, sort_keys=False))
    records = run_jobs(plan(read_study(toy_study), "films"), tmp_path / "results", study="small")
    assert [record["method"] for record in records] == ["tiger", "sasrec", "itemknn"]
    assert [record["updates"]["finetune"] > 0 for record in records] == [True, True, False]
    summary = summarise_study(records, "slow")
    # The closed forms come from the baseline's evaluation; a row of item-kNN has the same numbers.
    knn, always = (next(row for row in summary.rows if row.name == name) for name in ("knn", "itemknn"))
    assert knn.metrics["ndcg@10"].mean == always.metrics["ndcg@10"].mean
    assert knn.against is not None
