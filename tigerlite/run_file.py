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


def read_run(run: Path) -> dict[str, Path]:
    """The stage folders, by stage, of the last call; `run` is the output folder or the file in it.

    Raises:
        InputError: if there is no finished call.
    """
    file = run if run.suffix == ".json" else run / RUN
    try:
        return {stage: file.parent / name for stage, name in json.loads(file.read_text()).items()}
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{file} does not exist; give the --out folder of a finished pipeline") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{file} is not json ({error}); give the --out folder of a finished pipeline") from None
