"""Items held out of training: how well can a method recommend what nobody has consumed yet?

A cold item appears only as a test target, as an item would that came into the catalogue after training: its events are dropped
from the training part, from validation and from every history. The users, the other events and the numbering stay as they are, so
the other test users measure what they measured before, with somewhat shorter histories. Test and validation targets whose
history is empty after that are dropped. Filtering (k-core) comes before.

The item keeps its text, which the text encoder reads; tokenizer and recommender are trained without it. It gets its identifier as
an item does that comes later: from the frozen tokenizer, after all others (`tokenizers/new_items.py`).
"""

from dataclasses import dataclass

import numpy as np

from tigerlite.config import ConfigError, InputError, check
from tigerlite.data.splits import Split


@dataclass(frozen=True, kw_only=True)
class ColdConfig:
    """Items that are kept out of training."""

    share: float = 0.0
    """Share of the items, a seeded draw; 0 holds out none."""
    items: tuple[str, ...] = ()
    """External ids instead of a draw."""
    seed: int = 0
    """Of the draw."""

    def __post_init__(self) -> None:
        check(0 <= self.share < 1, "share", self.share, "a number in [0, 1)")
        check(self.seed >= 0, "seed", self.seed, "an integer >= 0")
        if self.share and self.items:
            raise ConfigError(f"share={self.share} and items={list(self.items[:3])} both name cold items; drop one")

    @property
    def enabled(self) -> bool:
        """Whether any item is held out."""
        return self.share > 0 or len(self.items) > 0

    @property
    def unused(self) -> tuple[str, ...]:
        """The seed where nothing is drawn."""
        return ("seed",) if self.items else ()


@dataclass(frozen=True)
class HeldOut:
    """Events without those of cold items; see `RecDataset` for the shapes."""

    items: np.ndarray
    offsets: np.ndarray
    times: np.ndarray | None
    split: Split


def choose_cold(config: ColdConfig, item_ids: list[str]) -> np.ndarray:
    """(N + 1,) bool, which items are cold; entry 0 is False.

    Raises:
        InputError: if the config names an item that does not exist.
    """
    cold = np.zeros(len(item_ids) + 1, dtype=bool)
    if config.items:
        numbers = {external: item for item, external in enumerate(item_ids, start=1)}
        unknown = [external for external in config.items if external not in numbers]
        if unknown:
            raise InputError(
                f"prepare.cold.items names '{unknown[0]}', which is no item of the data set ({len(unknown)} such ids)"
            )
        cold[[numbers[external] for external in config.items]] = True
    elif config.share:
        n_cold = max(1, round(config.share * len(item_ids)))
        cold[1 + np.random.default_rng(config.seed).permutation(len(item_ids))[:n_cold]] = True
    return cold


def hold_out(
    items: np.ndarray, offsets: np.ndarray, times: np.ndarray | None, split: Split, cold: np.ndarray
) -> HeldOut:
    """Drop the events of cold items, all but test targets.

    Args:
        items: (I,) item ids.
        offsets: (U + 1,).
        times: (I,) or None.
        split: positions in `items`.
        cold: (N + 1,) bool.

    Raises:
        InputError: if no test target is cold, or nothing is left to train on.
    """
    keep = ~cold[items]
    keep[split.test[:, 1]] = True
    place = np.concatenate([[0], np.cumsum(keep)]).astype(np.int64)  # where an event goes, or would go

    def moved(rows: np.ndarray) -> np.ndarray:
        rows = rows[keep[rows[:, 1]]]
        with_history = place[rows[:, 1]] > place[offsets[rows[:, 0]]]
        return np.stack([rows[:, 0], place[rows[:, 1]]], axis=1)[with_history]

    kept = items[keep]
    left = Split(place[split.train_ends], moved(split.validation), moved(split.test))
    if not cold[kept[left.test[:, 1]]].any():
        raise InputError(
            f"none of the {int(cold.sum())} cold items is a test target; raise prepare.cold.share, or name others"
        )
    if not (left.train_ends - place[offsets[:-1]] > 1).any() or not len(left.validation):
        raise InputError(
            f"{int(cold.sum())} cold items leave nothing to train or validate on; lower prepare.cold.share"
        )
    return HeldOut(kept, place[offsets], None if times is None else times[keep], left)
