"""The prepared data set: arrays that training reads without polars; external ids live only at the edges."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tigerlite.config import InputError

_ARRAYS = ("items", "offsets", "times", "train_ends", "validation", "test", "identifiers")
_LISTS = ("user_ids", "item_ids", "titles", "texts", "attributes")


@dataclass(frozen=True, kw_only=True, eq=False)
class RecDataset:
    """Interactions user by user, their split, and what is known of the items.

    U users 0..U-1, N items 1..N (0 is padding), I interactions. The history of a target of user u at absolute position
    p is `items[offsets[u]:p]`, of which models read the most recent part.

    Raises:
        InputError: if the arrays do not fit together.
    """

    items: np.ndarray
    """(I,) int32, item ids, user by user in time order."""
    offsets: np.ndarray
    """(U + 1,) int64, where each user's interactions begin in `items`."""
    times: np.ndarray | None = None
    """(I,) int64 seconds; None where the data have no times."""
    train_ends: np.ndarray
    """(U,) int64, absolute exclusive end of each user's training part."""
    validation: np.ndarray
    """(V, 2) int64, user and absolute position of the target."""
    test: np.ndarray
    """(S, 2) int64, likewise."""
    user_ids: list[str]
    """External id of user u at index u."""
    item_ids: list[str]
    """External id of item i at index i - 1."""
    titles: list[str]
    """What to show for item i at index i - 1."""
    texts: list[str] | None = None
    """What the text encoder reads for item i at index i - 1; None without an item table."""
    attributes: list[list[str]] | None = None
    """Attributes of item i at index i - 1; None where the item table has none."""
    identifiers: np.ndarray | None = None
    """(N + 1, L) int32, published codes, row 0 zeros; None where there are none."""
    statistics: dict[str, Any] = field(default_factory=dict)
    """Counts for people; not part of the fingerprint."""

    def __post_init__(self) -> None:
        n_rows = len(self.items)
        ordered = len(self.offsets) == self.n_users + 1 and (np.diff(self.offsets) >= 0).all()
        if not ordered or self.offsets[0] != 0 or self.offsets[-1] != n_rows:
            raise InputError(
                f"offsets must rise from 0 to {n_rows} over {self.n_users} users, one entry more than users"
            )
        if n_rows and not (self.items.min() >= 1 and self.items.max() <= self.n_items):
            raise InputError(f"item ids span {self.items.min()}..{self.items.max()}; allowed: 1..{self.n_items}")
        expected = {"times": n_rows, "train_ends": self.n_users, "identifiers": self.n_items + 1}
        expected |= {"titles": self.n_items, "texts": self.n_items, "attributes": self.n_items}
        for name, length in expected.items():
            value = getattr(self, name)
            if value is not None and len(value) != length:
                raise InputError(f"{name} has {len(value)} entries; expected {length}")

    @property
    def n_users(self) -> int:
        """U, users with at least one interaction."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """N, items with at least one interaction."""
        return len(self.item_ids)

    @property
    def holds_out_items(self) -> bool:
        """Whether items were held out of training as cold (`data/cold_items.py`), so that they count as later than the others."""
        return "cold_items" in self.statistics

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits of every array, id and text, and of whether items are held out."""
        digest = hashlib.sha256()
        for name in _ARRAYS:
            array = getattr(self, name)
            kind = "none" if array is None else f"{array.dtype} {array.shape}"
            digest.update(f"{name} {kind}".encode())
            digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
        digest.update(json.dumps([getattr(self, name) for name in _LISTS]).encode())
        digest.update(b"holds out items" * self.holds_out_items)  # tokenizers are fitted on the others then
        return digest.hexdigest()[:16]

    def save(self, folder: Path) -> None:
        """Write `arrays.safetensors`, `users.json`, `items.json` and `statistics.json` into an existing folder."""
        from safetensors.numpy import save_file

        arrays = {name: getattr(self, name) for name in _ARRAYS}
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items() if array is not None}
        save_file(arrays, folder / "arrays.safetensors")
        _write(folder / "users.json", {"user_ids": self.user_ids})
        _write(folder / "items.json", {name: getattr(self, name) for name in _LISTS if name != "user_ids"})
        (folder / "statistics.json").write_text(json.dumps(self.statistics, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "RecDataset":
        """The data set that `save` wrote.

        Raises:
            InputError: if a file is missing.
        """
        from safetensors.numpy import load_file

        for name in ("arrays.safetensors", "users.json", "items.json", "statistics.json"):
            if not (folder / name).is_file():
                raise InputError(f"{folder} holds no prepared data set: {name} is missing; run the prepare stage")
        lists = _read(folder / "users.json") | _read(folder / "items.json")
        statistics = _read(folder / "statistics.json")
        return cls(**load_file(folder / "arrays.safetensors"), **lists, statistics=statistics)


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))
