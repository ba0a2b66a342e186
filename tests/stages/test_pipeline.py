"""The chain end to end on toy films: cached, repeatable, continued after a kill, and the same in two processes."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from tigerlite.config import ConfigError, InputError, from_dict
from tigerlite.stages import recommend
from tigerlite.stages.pipeline import train
from tigerlite.stages.pipeline_config import PipelineConfig
from tigerlite.tracking import Tracker

ROOT = Path(__file__).resolve().parents[2]


def config_for(settings: dict, out: Path, **changes) -> PipelineConfig:
    return replace(from_dict(PipelineConfig, settings), out=out, **changes)


def metrics_of(out: Path) -> dict:
    folders = json.loads((out / "run.json").read_text())
    return json.loads((out / folders["evaluate"] / "metrics.json").read_text())["metrics"]


def test_a_second_call_builds_nothing_and_a_changed_section_only_what_follows(toy_settings, tmp_path, monkeypatch):
    replayed = []
    monkeypatch.setattr(Tracker, "replay", lambda tracker, stage, folder: replayed.append(stage))
    first = train(config_for(toy_settings, tmp_path))
    assert set(first.folders) == {"prepare", "encode", "tokenize", "finetune", "calibrate", "evaluate"}
    assert not replayed
    built = []
    original = recommend.run
    monkeypatch.setattr(recommend, "run", lambda *given, **named: built.append(1) or original(*given, **named))
    again = train(config_for(toy_settings, tmp_path))
    assert again.evaluation.metrics == first.evaluation.metrics
    assert not built
    assert replayed == ["prepare", "encode", "tokenize", "finetune", "calibrate", "evaluate"]
    toy_settings["finetune"]["tiger"]["epochs"] = 1
    changed = train(config_for(toy_settings, tmp_path))
    assert built == [1]
    assert replayed[6:] == ["prepare", "encode", "tokenize"]
    assert changed.folders["tokenize"] == first.folders["tokenize"]
    assert changed.folders["finetune"] != first.folders["finetune"]


def test_two_runs_with_one_seed_agree_and_per_user_ranks_give_the_metrics(toy_settings, tmp_path):
    first = train(config_for(toy_settings, tmp_path / "a", seed=3))
    second = train(config_for(toy_settings, tmp_path / "b", seed=3))
    assert first.evaluation.metrics == second.evaluation.metrics
    ranks = pl.read_parquet(first.evaluation.folder / "ranks.parquet")
    assert len(ranks) == first.evaluation.settings["n_users"] == first.dataset.n_users
    for method, values in first.evaluation.metrics.items():
        found = (ranks[f"rank/{method}"] > 0) & (ranks[f"rank/{method}"] <= 10)
        assert values["recall@10"] == pytest.approx(found.mean())


def test_until_stops_there(toy_settings, tmp_path):
    run = train(config_for(toy_settings, tmp_path, until="tokenize"))
    assert run.bank is not None
    assert run.model is None
    assert {path.name.split("-")[0] for path in tmp_path.iterdir() if path.is_dir()} == {
        "prepare",
        "encode",
        "tokenize",
    }


def test_another_embedding_file_under_the_same_name_is_noticed(toy_settings, tmp_path):
    toy_settings["encode"] = {"method": "file", "file": {"path": str(tmp_path / "mine.npy")}}
    runs = []
    for value in (0.0, 1.0):
        matrix = np.random.default_rng(0).normal(size=(60, 8))
        matrix[0] = value
        np.save(tmp_path / "mine.npy", matrix)
        runs.append(train(config_for(toy_settings, tmp_path / "out", until="encode")))
    assert runs[0].folders["prepare"] == runs[1].folders["prepare"]
    assert [run.embeddings.matrix[0, 0] for run in runs] == [0.0, 1.0]


def test_pretraining_hands_its_weights_to_finetuning(toy_settings, tmp_path):
    toy_settings["pretrain"] = {"enabled": True, "tiger": {**toy_settings["finetune"]["tiger"], "epochs": 2}}
    run = train(config_for(toy_settings, tmp_path))
    with_base = run.folders["finetune"].name
    toy_settings["pretrain"]["enabled"] = False
    assert train(config_for(toy_settings, tmp_path)).folders["finetune"].name != with_base


def test_evaluation_without_a_trained_model_is_refused_before_anything_runs(toy_settings, tmp_path):
    toy_settings["finetune"]["enabled"] = False
    with pytest.raises(ConfigError, match="enabled"):
        train(config_for(toy_settings, tmp_path / "out"))
    assert not list(tmp_path.glob("out/*-*"))


def test_another_network_in_pretraining_is_refused_in_one_line(toy_settings, tmp_path):
    tiger = toy_settings["finetune"]["tiger"]
    toy_settings["pretrain"] = {"enabled": True, "tiger": {**tiger, "epochs": 1, "t5": {**tiger["t5"], "d_ff": 32}}}
    with pytest.raises(InputError, match="same t5 sizes and user_token"):
        train(config_for(toy_settings, tmp_path))


def test_identifiers_from_a_file_are_keyed_by_its_content(toy_settings, tmp_path):
    index = tmp_path / "index.json"
    toy_settings["tokenize"] = {"method": "imported", "imported": {"file": str(index)}}
    folders = []
    for shift in (0, 1):
        codes = {f"f{film:02d}": [f"<a_{(film + shift) % 60}>"] for film in range(60)}
        index.write_text(json.dumps(codes))
        folders.append(train(config_for(toy_settings, tmp_path / "out", until="tokenize")).folders["tokenize"])
    assert folders[0] != folders[1]


def start(settings: dict, out: Path, *launcher: str) -> subprocess.Popen:
    file = out.parent / f"{out.name}.yaml"
    file.write_text(yaml.safe_dump(settings))
    command = [*(launcher or (sys.executable,)), "pipelines/tiger.py", f"--config={file}", f"--out={out}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_killed_at_any_time_and_run_again_it_ends_with_the_same_metrics(toy_settings, tmp_path):
    expected = train(config_for(toy_settings, tmp_path / "whole")).evaluation.metrics
    out = tmp_path / "killed"
    for stage in ("tokenize", "finetune"):
        process = start(toy_settings, out)
        deadline = time.monotonic() + 60
        while (
            process.poll() is None and not list(out.glob(f"{stage}-*.part/last.ckpt")) and time.monotonic() < deadline
        ):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finished = start(toy_settings, out)
    printed, _ = finished.communicate(timeout=120)
    assert finished.returncode == 0, printed
    assert metrics_of(out) == expected
    assert not list(out.glob("*.part"))
    assert not list(out.glob("*.claim"))


def test_two_processes_finish_every_stage_and_agree_with_one(toy_settings, tmp_path):
    toy_settings["finetune"]["tiger"]["t5"]["dropout"] = 0.0  # its stream differs between ranks
    one = train(config_for(toy_settings, tmp_path / "one"))
    fabric = Path(sys.executable).with_name("fabric")
    launcher = (str(fabric), "run", "--accelerator=cpu", "--devices=2", "--strategy=ddp")
    process = start(toy_settings, tmp_path / "two", *launcher)
    printed, _ = process.communicate(timeout=180)
    assert process.returncode == 0, printed
    two = metrics_of(tmp_path / "two")
    for name in ("popularity", "itemknn"):
        assert two[name] == one.evaluation.metrics[name]
    assert two["tiger"]["ndcg@10"] == pytest.approx(one.evaluation.metrics["tiger"]["ndcg@10"], abs=0.05)


def test_a_method_that_reads_no_identifiers_skips_the_stages_that_make_them(toy_settings, tmp_path):
    toy_settings["finetune"] = {"method": "nextitem", "nextitem": {"epochs": 1}}
    run = train(config_for(toy_settings, tmp_path))
    assert set(run.folders) == {"prepare", "finetune", "evaluate"}
    assert set(run.evaluation.metrics) == {"sasrec", "popularity", "itemknn"}
    assert run.evaluation.settings["method"] == "sasrec"


def test_a_teacher_changes_the_identifiers_and_is_trained_once(toy_settings, tmp_path):
    plain = train(config_for(toy_settings, tmp_path, until="tokenize"))
    toy_settings["teacher"] = {"enabled": True, "nextitem": {"epochs": 2}}
    first = train(config_for(toy_settings, tmp_path, until="tokenize"))
    assert set(first.folders) == {"prepare", "encode", "teacher", "fuse", "tokenize"}
    assert first.embeddings.dimensions == plain.embeddings.dimensions + 64
    assert first.bank.fingerprint != plain.bank.fingerprint
    toy_settings["fuse"] = {"collaborative": 0.5}
    second = train(config_for(toy_settings, tmp_path, until="tokenize"))
    assert second.folders["teacher"] == first.folders["teacher"]
    assert second.folders["fuse"] != first.folders["fuse"]
    # The file that the stage wrote serves as a teacher elsewhere.
    toy_settings["teacher"] = {"enabled": False}
    toy_settings["fuse"] = {"file": str(first.folders["teacher"] / "item_embeddings.safetensors")}
    given = train(config_for(toy_settings, tmp_path / "other", until="fuse"))
    assert given.embeddings.fingerprint == first.embeddings.fingerprint
    # Texts that count nothing are not embedded, unless that is what was asked for.
    toy_settings["fuse"]["text"] = 0.0
    alone = train(config_for(toy_settings, tmp_path / "alone", until="tokenize"))
    assert set(alone.folders) == {"prepare", "fuse", "tokenize"}
    assert alone.embeddings.dimensions == 64
    assert config_for(toy_settings, tmp_path, until="encode").encodes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"teacher": {"enabled": True, "method": "itemknn"}}, "teacher.method='itemknn' has no item embeddings"),
        (
            {"teacher": {"enabled": True}, "tokenize": {"method": "imported"}},
            "reads no embeddings, so a teacher changes",
        ),
        ({"teacher": {"enabled": True}, "fuse": {"file": "x"}}, "name two teachers; drop one"),
        (
            {"teacher": {"enabled": True}, "finetune": {"method": "itemknn"}},
            "identifiers, which method=itemknn does not read; set teacher.enabled=false, or finetune.method=tiger",
        ),
        (
            {"fuse": {"file": "x"}, "finetune": {"method": "nextitem"}},
            "method=nextitem does not read; set fuse.file=null",
        ),
    ],
)
def test_a_teacher_that_could_not_count_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(PipelineConfig, settings)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"free_beam": "level"},
            "evaluate.free_beam=level is about identifiers, which finetune.method=itemknn does not write",
        ),
        ({"new_item_share": 0.1}, "evaluate.new_item_share=0.1 is about identifiers, .* set it to 0"),
    ],
)
def test_rows_of_identifiers_beside_a_model_without_any_are_refused_before_it_trains(asked, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(PipelineConfig, {"finetune": {"method": "itemknn"}, "evaluate": asked})
    from_dict(PipelineConfig, {"evaluate": asked})


def test_a_teacher_may_be_trained_beside_a_classic_method_where_that_is_the_end():
    settings = {"teacher": {"enabled": True}, "finetune": {"method": "itemknn"}, "until": "teacher"}
    assert from_dict(PipelineConfig, settings).needs_identifiers


def test_weights_of_another_kind_of_recommender_are_refused_in_one_line(toy_settings, tmp_path):
    toy_settings["pretrain"] = {"enabled": True, "method": "popularity"}
    with pytest.raises(
        InputError, match=r"tiger cannot start from the weights of popularity; set pretrain\.enabled=false"
    ):
        train(config_for(toy_settings, tmp_path))
