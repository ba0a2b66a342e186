"""Stage folders: built once, named by what produced them, never seen half-written, shared by processes and jobs.

A stage's result lives in `<out>/<stage>-<fingerprint>`. It is written in `<folder>.part`; `DONE` (the checksums of
its files) is written last and one rename publishes the folder, so a half-written one is never seen. What an
interrupted training stage left in `.part` (its last checkpoint) is where the next run goes on. `<folder>.claim` says
which job builds (`claims.py`); the others wait for it.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import platform
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from tigerlite.claims import claimed, owner_of, this_job
from tigerlite.config import InputError, fingerprint, to_dict
from tigerlite.distributed import is_rank_zero

DONE = "DONE"
POLL_SECONDS = 0.2

log = logging.getLogger(__name__)


class Stage(Protocol):
    """What a module in `stages/` offers to be run by `Runs.stage`."""

    VERSION: int
    """Part of the fingerprint; raised when the same config comes to mean another result."""
    TRAINS: bool
    """Whether every process takes part; otherwise the first process builds and the others wait."""
    run: Callable[..., Any]
    load: Callable[[Path], Any]


class Runs:
    """The stage folders under one output folder."""

    def __init__(self, out: Path, context: Any) -> None:
        self.out = Path(out)
        self.context = context
        self.folders: dict[str, Path] = {}
        self.found: list[str] = []
        """Stages that this job did not build: finished before, or by another job."""
        self._job = this_job()

    def stage(self, name: str, stage: Stage, config: Any, *inputs: Any) -> Any:
        """The stage's artifact: loaded if its folder is complete, else built (or waited for) first.

        Every input is an artifact with a `fingerprint`, or None where the pipeline has none.

        Raises:
            InputError: if a finished folder was altered.
            OSError: if the folder cannot be written.
        """
        folder = self.out / f"{name}-{self._fingerprint(stage, config, inputs)}"
        self.folders[name] = folder
        self.found.append(name)

        def build() -> None:
            self.found.remove(name)
            part = folder.with_name(folder.name + ".part")
            part.mkdir(parents=True, exist_ok=True)
            continued = any(part.iterdir())
            started = time.time()
            with _name_full_disk(self.out):
                stage.run(config, *inputs, out=part, context=replace(self.context, stage=name))
                if is_rank_zero():
                    cost = {"seconds": round(time.time() - started, 2), "continued": continued}
                    _write_provenance(part, name, stage, config, inputs, cost)
                    seal(part, folder)

        if is_rank_zero():
            _build_or_wait(folder, self._job, build)
        elif stage.TRAINS:
            _join_or_wait(folder, self._job, build)
        _wait(folder, self._job)
        verify(folder)
        return stage.load(folder)

    def _fingerprint(self, stage: Stage, config: Any, inputs: tuple[Any, ...]) -> str:
        keys = [None if item is None else item.fingerprint for item in inputs]
        trainer = self.context.trainer.result_fields() if stage.TRAINS else None
        return fingerprint(stage.__name__, stage.VERSION, config, keys, trainer)


def seal(part: Path, folder: Path) -> None:
    """Turn a complete `.part` folder into the stage's folder; `DONE` comes last."""
    (part / DONE).unlink(missing_ok=True)  # left by a run that was killed just before its rename
    sums = {str(file.relative_to(part)): _sha256(file) for file in sorted(part.rglob("*")) if file.is_file()}
    write_json(part / DONE, sums)
    os.replace(part, folder)


def verify(folder: Path) -> None:
    """Check a finished folder against the checksums in `DONE`.

    Raises:
        InputError: if it is not finished, or a file is missing or differs.
    """
    try:
        sums = json.loads((folder / DONE).read_text())
    except FileNotFoundError:
        raise InputError(f"{folder} is not a finished stage folder (no {DONE} in it); run the pipeline first") from None
    for name, expected in sums.items():
        file = folder / name
        if not file.is_file():
            raise InputError(f"{file} is missing though its folder is marked finished; delete {folder} to rebuild it")
        if _sha256(file) != expected:
            raise InputError(f"{file} differs from the checksum in {DONE}; delete {folder} to rebuild it")


def write_json(file: Path, value: Any) -> None:
    """Write json whole or not at all (aside, then renamed)."""
    aside = file.with_name(f"{file.name}.{uuid.uuid4().hex[:8]}.aside")  # other jobs may write the same file
    aside.write_text(json.dumps(value, indent=1, sort_keys=True, default=str) + "\n")
    os.replace(aside, file)


def _build_or_wait(folder: Path, job: dict[str, Any], build: Callable[[], None]) -> None:
    """First process of a job: build the folder unless it is there or another job is building it."""
    refused = 0
    while not (folder / DONE).exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with claimed(folder.with_name(folder.name + ".claim"), job) as mine:
            if mine and not (folder / DONE).exists():
                build()
        if not mine:
            refused += 1
            if refused == 2:  # the first refusal may only have cleared away the claim of a dead job
                log.info("%s is being built by another job; waiting for it", folder.name)
            time.sleep(POLL_SECONDS)


def _join_or_wait(folder: Path, job: dict[str, Any], build: Callable[[], None]) -> None:
    """Other processes of a job: take part in a training stage once the first process has claimed it."""
    claim = folder.with_name(folder.name + ".claim")
    while not (folder / DONE).exists():
        owner = owner_of(claim)
        if owner and (owner["launch"] == job["launch"] or owner["pid"] == job["parent"]):
            return build()
        _pause(job)


def _wait(folder: Path, job: dict[str, Any]) -> None:
    while not (folder / DONE).exists():
        _pause(job)


def _pause(job: dict[str, Any]) -> None:
    """Sleep a moment; end with the process that started this one, whose failure nobody else would tell us of."""
    time.sleep(POLL_SECONDS)
    if os.getppid() != job["parent"]:
        raise SystemExit(1)


@contextlib.contextmanager
def _name_full_disk(out: Path) -> Iterator[None]:
    """Libraries report a full disk each in their own words; say it in one."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError | InputError) and shutil.disk_usage(out).free < 1 << 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out)) from error
        raise


def _write_provenance(
    part: Path, name: str, stage: Stage, config: Any, inputs: tuple[Any, ...], cost: dict[str, Any]
) -> None:
    """What made a folder, from what, where, and what it cost; `continued`: seconds are those after an interruption alone."""
    packages = ("torch", "lightning", "transformers", "numpy", "polars", "faiss-cpu")
    versions = {}
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    provenance = {
        "stage": name,
        "version": stage.VERSION,
        "config": to_dict(config),
        "inputs": [None if item is None else item.fingerprint for item in inputs],
        **cost,
        "host": platform.platform(),
        "python": platform.python_version(),
        "packages": versions,
    }
    write_json(part / "provenance.json", provenance)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
