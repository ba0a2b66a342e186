"""The stage folders of a finished run that a report reads; a missing stage is one clear line."""

from collections.abc import Sequence
from pathlib import Path

from tigerlite.config import InputError
from tigerlite.run_file import read_run


def stage_folder(run: Path, *stages: str) -> Path:
    """The folder of the first of `stages` that the run has.

    Raises:
        InputError: if the run has none of them, or is no run.
    """
    folders = read_run(run)
    found = [folders[stage] for stage in stages if stage in folders]
    if not found:
        raise InputError(f"{run} has no stage {' or '.join(stages)}, only {_listed(list(folders))}")
    return found[0]


def has_stage(run: Path, *stages: str) -> bool:
    """Whether the run has one of `stages`."""
    return not read_run(run).keys().isdisjoint(stages)


def picture_folder(run: Path) -> Path:
    """Where pictures of a run go: beside its `run.json`."""
    return run.parent if run.suffix == ".json" else run


def _listed(stages: Sequence[str]) -> str:
    return ", ".join(stages) or "an empty run.json"
