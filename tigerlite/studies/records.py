"""One json line per finished run: what was run, what it found, what it cost, on which machine.

Lines are only ever appended. A line that a crash cut short is skipped, and the run is made again. Paths in a line start
from the folder of the records and the data's folder is left out, so that records can be moved and published.
"""

import csv
import json
import logging
import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from tigerlite.config import InputError, to_dict
from tigerlite.stages.codebook_health import HEALTH
from tigerlite.stages.evaluate import RANKS
from tigerlite.stages.pipeline import Run
from tigerlite.stages.trainer import LAST
from tigerlite.stages.trainer_config import TrainerConfig
from tigerlite.studies.hits import read_hits
from tigerlite.studies.plan import Job
from tigerlite.tracking import FILE as CURVES

FILE = "records.jsonl"
TRAINED = ("teacher", "pretrain", "finetune")

log = logging.getLogger(__name__)


def describe(job: Job, run: Run) -> dict[str, Any]:
    """The record of a finished run, as far as its folders say; memory is known to the process that ran it alone."""
    trained = {stage: folder for stage, folder in run.folders.items() if stage in TRAINED}
    method = run.model.name
    closed_form, decodings = other_rows(run.evaluation.metrics, method)
    return {
        "row": job.row,
        "dataset": job.dataset,
        "seed": job.seed,
        "key": job.key,
        "method": method,
        "metrics": run.evaluation.metrics[method],
        "baselines": closed_form,
        "decodings": decodings,
        "settings": run.evaluation.settings,
        "validation": {stage: best_validation(folder) for stage, folder in trained.items()},
        "seconds": {stage: _provenance(folder)["seconds"] for stage, folder in run.folders.items()},
        # What was interrupted was paid for before: seconds cover the last process alone and are not to be averaged.
        "continued": [stage for stage, folder in run.folders.items() if _provenance(folder).get("continued")],
        "updates": {stage: updates(folder) for stage, folder in trained.items()},
        "identifiers": identifiers(run.folders["tokenize"]) if "tokenize" in run.folders else None,
        "n_parameters": run.model.n_parameters,
        "hardware": hardware(job.config.trainer),
        "fingerprints": {stage: folder.name.removeprefix(f"{stage}-") for stage, folder in run.folders.items()},
        "hits": read_hits(run.folders["evaluate"] / RANKS, method),
        "ranks": str(run.folders["evaluate"] / RANKS),
        "config": _without_places(to_dict(job.config)),
    }


def _without_places(config: dict[str, Any]) -> dict[str, Any]:
    """The settings without where the data and the runs lie and what is logged."""
    kept = {name: section for name, section in config.items() if name not in ("out", "tracking")}
    return kept | {"prepare": {name: value for name, value in kept["prepare"].items() if name != "folder"}}


def other_rows(metrics: Mapping[str, Any], method: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The closed forms beside a model, and the model's other decodings, whose names begin with its own.

    >>> other_rows({"tiger": 1, "tiger_ensemble": 2, "itemknn": 3}, "tiger")
    ({'itemknn': 3}, {'tiger_ensemble': 2})
    """
    others = {name: found for name, found in metrics.items() if name != method}
    decodings = {name: found for name, found in others.items() if name.startswith(f"{method}_")}
    return {name: found for name, found in others.items() if name not in decodings}, decodings


def append_record(folder: Path, record: dict[str, Any]) -> None:
    """Add one line to the records of a study on a data set, and see it on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {**record, "ranks": os.path.relpath(record["ranks"], folder)}
    with (folder / FILE).open("a+b") as stream:
        stream.seek(max(stream.seek(0, os.SEEK_END) - 1, 0))
        torn = stream.read() not in (b"", b"\n")
        if torn:
            log.warning("the last line of %s was cut short by a crash and is skipped", stream.name)
        # On a line of its own also where the line before it never ended.
        stream.write(torn * b"\n" + json.dumps(record, sort_keys=True, default=str).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def read_records(folder: Path) -> list[dict[str, Any]]:
    """All whole records of a study on a data set, in the order in which the runs finished; `ranks` as a path from here."""
    try:
        lines = (folder / FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    records = []
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:  # cut short by a crash, or being written at this moment
            continue
        if not (isinstance(record, dict) and "ranks" in record):
            raise InputError(f"{folder / FILE} has a line that is no record of a run; give the folder of a study")
        records.append({**record, "ranks": os.path.normpath(folder / record["ranks"])})
    return records


def read_study_records(folder: Path) -> list[dict[str, Any]]:
    """The records of a study on a data set.

    Raises:
        InputError: if there are none.
    """
    records = read_records(folder)
    if not records:
        raise InputError(f"{folder} holds no {FILE}; give the folder RESULTS/STUDY/DATASET of a study that was run")
    return records


def existing(path: Path) -> Path:
    """A file or folder that a run of the study wrote.

    Raises:
        InputError: if it has been deleted since.
    """
    if not path.exists():
        raise InputError(f"{path} is gone; run the study again with the same --out")
    return path


def select(records: Iterable[dict[str, Any]], jobs: Iterable[Job]) -> list[dict[str, Any]]:
    """The records of these jobs, in their order, as far as they are finished."""
    found = {(record["row"], record["seed"], record["key"]): record for record in records}
    return [found[job.row, job.seed, job.key] for job in jobs if (job.row, job.seed, job.key) in found]


def updates(folder: Path) -> int:
    """Optimizer steps of a finished training stage; 0 for a closed form."""
    if not (folder / LAST).exists():
        return 0
    return int(torch.load(folder / LAST, weights_only=True, map_location="cpu", mmap=True)["global_step"])


def best_validation(folder: Path) -> float | None:
    """Highest validation NDCG@10 of a finished training stage, the one that chose its checkpoint; None for a closed form."""
    if not (folder / CURVES).exists():
        return None
    with (folder / CURVES).open() as stream:
        values = [float(row["value"]) for row in csv.DictReader(stream) if row["name"].endswith("/valid/ndcg@10")]
    return max(values, default=None)


def identifiers(folder: Path) -> dict[str, float]:
    """Collision rate before resolution, and the lowest share of its codes that a level spreads the items over (perplexity)."""
    health = json.loads((folder / HEALTH).read_text())
    shares = [level["perplexity"] / level["size"] for level in health["levels"]]
    return {"collision_rate": health["collision_rate"], "lowest_perplexity": min(shares)}


def hardware(trainer: TrainerConfig) -> str:
    """Processor or GPU, threads, precision and torch version in one line."""
    on_gpu = trainer.resolved("accelerator") in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    device = torch.cuda.get_device_name() if on_gpu else f"{_processor()}, {torch.get_num_threads()} threads"
    return f"{device}, {trainer.resolved('precision')}, torch {torch.__version__}"


def _processor() -> str:
    """The processor's name; platform.processor() is empty on many Linux systems."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _provenance(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "provenance.json").read_text())
