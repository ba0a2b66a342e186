"""Opens a saved recommender of any kind: `model.json` in its folder says which."""

import json
from importlib import import_module
from pathlib import Path

from tigerlite.config import InputError
from tigerlite.recommenders import KINDS
from tigerlite.recommenders.base import Recommender


def load_recommender(folder: Path) -> Recommender:
    """The recommender that was saved in `folder`, on the CPU.

    Raises:
        InputError: if there is none, or it is of a kind that this version does not know.
    """
    file = folder / "model.json"
    try:
        kind = json.loads(file.read_text(encoding="utf-8"))["kind"]
    except FileNotFoundError:
        raise InputError(f"{file} does not exist; {folder} holds no trained model") from None
    if kind not in KINDS:
        raise InputError(f"{file} names a recommender of kind '{kind}'; this version knows {', '.join(KINDS)}")
    module, name = KINDS[kind].rsplit(".", 1)
    return getattr(import_module(module), name).load(folder)
