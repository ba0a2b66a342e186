"""The files that an evaluation leaves beside `metrics.json`, and how they are read.

lists.safetensors     method -> (U, k) int32 ranked item ids of every user, best first, 0 = empty; users as in ranks.parquet
slices.json           head and tail, deciles, prefix match
beyond_accuracy.json  coverage, Gini index, novelty
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tigerlite.config import InputError

METRICS = "metrics.json"
LISTS = "lists.safetensors"
SLICES = "slices.json"
BEYOND_ACCURACY = "beyond_accuracy.json"


def read_results(folder: Path, name: str) -> dict[str, Any]:
    """The json file `name` of an evaluation.

    Raises:
        InputError: if the evaluation was made before there was such a file.
    """
    return json.loads(_existing(folder, name).read_text(encoding="utf-8"))


def write_lists(folder: Path, lists: dict[str, np.ndarray]) -> None:
    """Write the ranked items (U, k) of every method."""
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(items, dtype=np.int32) for name, items in lists.items()}, folder / LISTS)


def read_lists(folder: Path) -> dict[str, np.ndarray]:
    """Method -> (U, k) int32 ranked items.

    Raises:
        InputError: if the evaluation was made before there was such a file.
    """
    from safetensors.numpy import load_file

    return load_file(_existing(folder, LISTS))


def _existing(folder: Path, name: str) -> Path:
    file = folder / name
    if not file.is_file():
        raise InputError(
            f"{file} does not exist: evaluated by an earlier version; to evaluate again, delete {folder} and run the "
            "same pipeline command"
        )
    return file
