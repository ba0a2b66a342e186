"""`run.json` in a pipeline's output folder: which stage folders its last call was made of."""

import json
from collections.abc import Mapping
from pathlib import Path

from tigerlite.artifacts import write_json
from tigerlite.config import InputError

RUN = "run.json"
TRAINED = {"pretrain", "finetune"}


def write_run(out: Path, folders: Mapping[str, Path]) -> None:
    """Name the folders of a call; one that trained no model leaves a file alone that names a model, so it still serves."""
    file = out / RUN
    if folders.keys() & TRAINED or not (file.exists() and read_run(out).keys() & TRAINED):
        write_json(file, {stage: folder.name for stage, folder in folders.items()})


def run_file(run: Path) -> Path:
    """The file of a run: itself, or the one in the output folder."""
    return run if run.suffix == ".json" else run / RUN


def read_run(run: Path) -> dict[str, Path]:
    """The stage folders, by stage, of the last call; `run` is the output folder or the file in it.

    Raises:
        InputError: if there is no finished call.
    """
    file = run_file(run)
    try:
        folders = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{file} does not exist; give the --out folder of a finished pipeline") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{file} is not json ({error}); give the --out folder of a finished pipeline") from None
    if not (isinstance(folders, dict) and "prepare" in folders and all(isinstance(n, str) for n in folders.values())):
        raise InputError(
            f"{file} does not name the folders of a pipeline; give the --out folder of a finished pipeline"
        )
    return {stage: file.parent / name for stage, name in folders.items()}
