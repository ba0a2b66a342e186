"""Stage folders: built once, continued after a kill, checked on load, shared between jobs."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from tigerlite.artifacts import DONE, Runs, seal, verify, write_json
from tigerlite.claims import _host
from tigerlite.config import InputError


@dataclass(frozen=True)
class FakeTrainer:
    epochs: int = 1

    def result_fields(self):
        return {"epochs": self.epochs}


@dataclass(frozen=True)
class FakeContext:
    trainer: FakeTrainer = field(default_factory=FakeTrainer)
    stage: str = ""


@dataclass(frozen=True)
class Settings:
    a: int = 1


def test_jobs_that_write_the_same_file_at_once_leave_a_whole_one(tmp_path):
    def write_often(job):
        for _ in range(200):
            write_json(tmp_path / "run.json", {"job": job})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write_often, (0, 1)))  # raises what a job raised
    assert json.loads((tmp_path / "run.json").read_text())["job"] in (0, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def counting_stage(calls, *, version=1, trains=False, fail_at=None):
    """A stage that writes its config and the number of calls, and can be interrupted half-way."""

    def run(config, *inputs, out, context):
        calls.append(context.stage)
        (out / "half.txt").write_text("half")
        if fail_at == len(calls):
            raise KeyboardInterrupt
        (out / "value.json").write_text(json.dumps([config.a, [item.fingerprint for item in inputs]]))

    def load(folder):
        return json.loads((folder / "value.json").read_text())

    return SimpleNamespace(__name__="fake", VERSION=version, TRAINS=trains, run=run, load=load)


def test_a_finished_stage_is_loaded_not_built_again(tmp_path):
    calls = []
    source = SimpleNamespace(fingerprint="abc")
    for _ in range(2):
        value = Runs(tmp_path, FakeContext()).stage("prepare", counting_stage(calls), Settings(), source)
        assert value == [1, ["abc"]]
    assert calls == ["prepare"]


@pytest.mark.parametrize("change", ["config", "input", "version", "trainer"])
def test_whatever_changes_the_result_changes_the_folder(tmp_path, change):
    calls = []

    def build(config, source, version, epochs):
        runs = Runs(tmp_path, FakeContext(FakeTrainer(epochs)))
        runs.stage(
            "fit", counting_stage(calls, version=version, trains=True), config, SimpleNamespace(fingerprint=source)
        )
        return runs.folders["fit"]

    base = {"config": Settings(), "source": "x", "version": 1, "epochs": 1}
    other = {"config": Settings(2)} if change == "config" else {}
    other |= {"source": "y"} if change == "input" else {}
    other |= {"version": 2} if change == "version" else {}
    other |= {"epochs": 2} if change == "trainer" else {}
    assert build(**base) != build(**(base | other))
    assert len(calls) == 2


def test_a_stage_that_does_not_train_ignores_the_trainer(tmp_path):
    calls = []
    for epochs in (1, 2):
        Runs(tmp_path, FakeContext(FakeTrainer(epochs))).stage("prepare", counting_stage(calls), Settings())
    assert len(calls) == 1


def test_an_interrupted_stage_is_not_there_and_its_leftovers_are_continued(tmp_path):
    calls = []
    with pytest.raises(KeyboardInterrupt):
        Runs(tmp_path, FakeContext()).stage("fit", counting_stage(calls, fail_at=1), Settings())
    (part,) = tmp_path.iterdir()
    assert part.name.endswith(".part")
    assert (part / "half.txt").exists()
    assert Runs(tmp_path, FakeContext()).stage("fit", counting_stage(calls), Settings()) == [1, []]
    assert not part.exists()


def test_a_kill_between_checksums_and_rename_is_repaired(tmp_path):
    part, folder = tmp_path / "x.part", tmp_path / "x"
    part.mkdir()
    (part / "a").write_text("1")
    (part / DONE).write_text("{}")
    seal(part, folder)
    assert set(json.loads((folder / DONE).read_text())) == {"a"}
    verify(folder)


def test_an_altered_file_is_refused_by_name(tmp_path):
    runs = Runs(tmp_path, FakeContext())
    runs.stage("fit", counting_stage([]), Settings())
    (runs.folders["fit"] / "value.json").write_text("other")
    with pytest.raises(InputError, match=r"value\.json differs from the checksum in DONE; delete .* to rebuild it"):
        Runs(tmp_path, FakeContext()).stage("fit", counting_stage([]), Settings())


def test_a_missing_file_and_an_unfinished_folder_are_refused(tmp_path):
    runs = Runs(tmp_path, FakeContext())
    runs.stage("fit", counting_stage([]), Settings())
    (runs.folders["fit"] / "value.json").unlink()
    with pytest.raises(InputError, match="is missing though its folder is marked finished"):
        verify(runs.folders["fit"])
    with pytest.raises(InputError, match="is not a finished stage folder"):
        verify(tmp_path)


def test_a_dead_owner_is_taken_over_at_once(tmp_path):
    calls = []
    stage = counting_stage(calls)
    runs = Runs(tmp_path, FakeContext())
    claim = tmp_path / f"fit-{runs._fingerprint(stage, Settings(), ())}.claim"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    claim.mkdir()
    owner = {"host": _host(), "pid": dead.pid, "parent": 1, "started": "1", "launch": "gone"}
    write_json(claim / "owner.json", owner)
    started = time.monotonic()
    runs.stage("fit", stage, Settings())
    assert time.monotonic() - started < 5
    assert calls == ["fit"]
    assert not claim.exists()


def slow_stage(log_file):
    def run(config, *inputs, out, context):
        with open(log_file, "a") as stream:
            stream.write(f"{os.getpid()}\n")
        time.sleep(0.5)
        (out / "value.json").write_text("7")

    return SimpleNamespace(
        __name__="slow", VERSION=1, TRAINS=False, run=run, load=lambda folder: int((folder / "value.json").read_text())
    )


def build_slowly(out, log_file, results):
    results.put(Runs(out, FakeContext()).stage("slow", slow_stage(log_file), Settings()))


def test_two_jobs_that_meet_build_once_and_both_get_the_result(tmp_path):
    spawn = multiprocessing.get_context("fork")
    results = spawn.Queue()
    log_file = tmp_path / "log"
    jobs = [spawn.Process(target=build_slowly, args=(tmp_path / "out", log_file, results)) for _ in range(2)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(timeout=30)
    assert [results.get(timeout=5) for _ in jobs] == [7, 7]
    assert len(log_file.read_text().splitlines()) == 1


def test_other_ranks_wait_for_the_first_one(tmp_path, monkeypatch):
    """Rank 1 of a job must not build a stage that does not train."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    calls = []
    stage = counting_stage(calls)
    runs = Runs(tmp_path, FakeContext())
    folder = tmp_path / f"fit-{runs._fingerprint(stage, Settings(), ())}"
    prepared = tmp_path / "aside"
    prepared.mkdir()
    (prepared / "value.json").write_text("[1]")
    publisher = multiprocessing.get_context("fork").Process(target=lambda: (time.sleep(0.4), seal(prepared, folder)))
    publisher.start()
    assert runs.stage("fit", stage, Settings()) == [1]
    assert calls == []
    publisher.join()


def test_an_unwritable_folder_is_an_os_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OSError, match="Not a directory|File exists"):
        Runs(blocked / "out", FakeContext()).stage("fit", counting_stage([]), Settings())


def test_a_full_disk_is_reported_in_one_word_whoever_notices_it(tmp_path, monkeypatch):
    def run(config, *inputs, out, context):
        raise RuntimeError("PytorchStreamWriter failed writing file")

    stage = SimpleNamespace(__name__="full", VERSION=1, TRAINS=False, run=run, load=Path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=0))
    with pytest.raises(OSError, match="No space left on device"):
        Runs(tmp_path, FakeContext()).stage("fit", stage, Settings())


def test_json_is_written_whole(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"b": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
