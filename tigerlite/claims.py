"""Claims: which of several jobs, on one machine or on many that share a folder, does a piece of work.

A claim is a folder, whose making is atomic on every file system, with `owner.json` in it that its owner touches while it works.
Another job waits for it, and takes over when the owner is dead or silent for ten minutes.
"""

import contextlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEARTBEAT_SECONDS = 20
SILENT_SECONDS = 600


@contextlib.contextmanager
def claimed(claim: Path, job: dict[str, Any] | None = None) -> Iterator[bool]:
    """Hold a claim while the body runs; False, and nothing held, where another job that is alive holds it.

    False as well for the one call that clears away the claim of a dead job: ask again.
    """
    job = job or this_job()
    if not _claim(claim, job):
        yield False
        return
    try:
        with _heartbeat(claim):
            yield True
    finally:
        if owner_of(claim) == job:  # not where it was taken for dead while its machine slept
            shutil.rmtree(claim, ignore_errors=True)


def _claim(claim: Path, job: dict[str, Any]) -> bool:
    """Whether this job now owns the claim; making a folder is atomic on every file system."""
    try:
        claim.mkdir()
    except FileExistsError:
        owner = owner_of(claim)
        if _is_abandoned(claim):
            _clear(claim, owner)
        return False
    (claim / "owner.json").write_text(json.dumps(job))  # whoever reads half of it takes it for none yet
    return True


def _clear(claim: Path, dead: dict[str, Any] | None) -> None:
    """Take a dead job's claim away; only one of several jobs can rename it, the others' renames fail and they wait on."""
    stale = claim.with_name(f"{claim.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        os.rename(claim, stale)
        if owner_of(stale) == dead:
            shutil.rmtree(stale, ignore_errors=True)
        else:  # another job cleared it before us, and this is the claim of one that is alive
            os.rename(stale, claim)


def _is_abandoned(claim: Path) -> bool:
    owner = owner_of(claim)
    try:
        silent = time.time() - (claim / "owner.json" if owner else claim).stat().st_mtime
    except FileNotFoundError:
        return False  # released this moment
    if owner and owner["host"] == _host():
        return owner["started"] != _process_start(owner["pid"])
    return silent > SILENT_SECONDS or (owner is None and silent > HEARTBEAT_SECONDS)


def owner_of(claim: Path) -> dict[str, Any] | None:
    """The job that holds a claim, None if there is none (yet)."""
    try:
        return json.loads((claim / "owner.json").read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None


def this_job() -> dict[str, Any]:
    """Who we are: `launch` is shared by all processes that one torchrun or `fabric run` started."""
    variables = ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT")
    shared = [os.environ.get(name) for name in variables]
    if shared[1] in ("localhost", "127.0.0.1", "::1"):
        shared.append(socket.gethostname())  # launches on two machines may agree in all three
    launch = ":".join(map(str, shared)) if shared[0] else f"parent {socket.gethostname()}:{os.getppid()}"
    pid = os.getpid()
    return {
        "host": _host(),
        "pid": pid,
        "parent": os.getppid(),
        "started": _process_start(pid),
        "launch": launch,
    }


def _host() -> str:
    """The name of this machine and, on Linux, of its latest start: machines that share a folder may share a name."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    with contextlib.suppress(OSError):
        return f"{socket.gethostname()}:{boot.read_text().strip()}"
    return socket.gethostname()


def _process_start(pid: int) -> str | None:
    """When the process was started (clock ticks since boot), None if there is no such process: tells a reused pid apart."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():  # Linux
        try:
            return stat.read_text().rpartition(")")[2].split()[19]
        except (FileNotFoundError, ProcessLookupError):
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    return "alive"


@contextlib.contextmanager
def _heartbeat(claim: Path) -> Iterator[None]:
    """Touch the claim from a thread while the stage runs."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(OSError):
                os.utime(claim / "owner.json")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
