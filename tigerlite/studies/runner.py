"""Makes the runs of a study: each once, whatever is interrupted and however many processes work on it."""

import contextlib
import logging
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tigerlite.claims import claimed
from tigerlite.config import InputError
from tigerlite.distributed import rank, world_size
from tigerlite.stages.pipeline import train
from tigerlite.studies.plan import Job
from tigerlite.studies.records import TRAINED, append_record, describe, read_records, select

POLL_SECONDS = 1.0

log = logging.getLogger(__name__)


def run_jobs(jobs: Sequence[Job], folder: Path, *, study: str) -> list[dict[str, Any]]:
    """Make every run that has no record in `folder` yet; returns the records of all jobs, in their order.

    Several processes may call this at once: each takes the runs that no other one is at, and all return when all runs
    are finished.

    Args:
        jobs: what to run.
        folder: of `records.jsonl`.
        study: name under which runs are logged.

    Raises:
        InputError: if a run is to be spread over several processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_distributed(jobs)
    waiting = [job for job in jobs if not select(read_records(folder), [job])]
    log.info("%s: %d runs, %d of them finished before", study, len(jobs), len(jobs) - len(waiting))
    started, made = time.monotonic(), 0
    while waiting:
        before = len(waiting)
        for job in list(waiting):
            with claimed(folder / f"{job.key}.claim") as mine:
                if not mine:
                    continue
                waiting.remove(job)
                if select(read_records(folder), [job]):
                    continue  # another process finished it meanwhile
                record = _run(job, study)
                append_record(folder, record)
            made += 1
            _log_progress(record, len(jobs), len(waiting), (time.monotonic() - started) / made)
            break  # a run that a dead process left may be free now, and comes first
        if len(waiting) == before:
            time.sleep(POLL_SECONDS)
    return select(read_records(folder), jobs)


def _run(job: Job, study: str) -> dict[str, Any]:
    log.info("%s, %s, seed %d starts", job.dataset, job.row, job.seed)
    tracking = replace(job.config.tracking, name=f"{job.row}, seed {job.seed}")
    config = replace(job.config, tracking=replace(tracking, group=tracking.group or f"{study}/{job.dataset}"))
    reset_peak_memory()
    run = train(config)
    whole = [stage for stage in TRAINED if stage in run.folders]
    memory = peak_memory_gib() if whole and set(whole) <= set(run.built) else None
    return {
        "study": study,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        **describe(job, run),
        "built": run.built,
        "peak_memory_gib": memory,
    }


def _refuse_distributed(jobs: Sequence[Job]) -> None:
    for job in jobs:
        trainer = job.config.trainer
        if world_size() > 1 or rank() > 0 or trainer.resolved("devices") * trainer.resolved("num_nodes") > 1:
            raise InputError(
                "a study trains every run in one process; for several devices start the same command once per device "
                "(the processes share the runs), each with its own CUDA_VISIBLE_DEVICES"
            )


def _log_progress(record: dict[str, Any], n_jobs: int, n_waiting: int, seconds_per_run: float) -> None:
    log.info(
        "%s, %s, seed %d: NDCG@10 %.4f after %.0f s of training; %d of %d runs done, about %.0f min left",
        record["dataset"],
        record["row"],
        record["seed"],
        record["metrics"]["ndcg@10"],
        training_seconds(record),
        n_jobs - n_waiting,
        n_jobs,
        n_waiting * seconds_per_run / 60,
    )


def training_seconds(record: dict[str, Any]) -> float:
    """Seconds of the recommender's training stages, validation included."""
    return sum(record["seconds"].get(stage, 0.0) for stage in TRAINED)


def reset_peak_memory() -> None:
    """Begin a new peak, where the system allows it: on Linux for the process, and for the GPU."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_memory_gib() -> dict[str, float]:
    """Highest resident memory of this process since the last reset, and of its GPU, in GiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    peak = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30}
    if torch.cuda.is_available():
        peak["gpu"] = torch.cuda.max_memory_allocated() / 2**30
    return peak
