"""`tigerlite report example RUN`: one user's history, held-out item and recommendations, as in table 7 of arXiv 2601.17787.

The paper picks an example by hand. Without `--user` this report takes the first user of the split whose held-out item
is among the model's first k, so it shows a success: `ranks.parquet` says how rare those are.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tigerlite.columns import HISTORY_LENGTH, TARGET, USER
from tigerlite.config import InputError, check
from tigerlite.data.dataset import RecDataset
from tigerlite.evaluation.report import method_order
from tigerlite.evaluation.result_files import read_lists
from tigerlite.reports.run_folders import has_stage, stage_folder
from tigerlite.reports.terminal import console
from tigerlite.tokenizers.bank import TokenizerBank

N_HISTORY = 10


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Flags of `tigerlite report example RUN`."""

    user: str = ""
    """External id of a user of the split; empty takes the first one whose held-out item is among the first k."""
    k: int = 3
    """Recommendations shown, at most 20 (3 in table 7 of arXiv 2601.17787)."""
    against: Path | None = None
    """Another run on the same data, whose model's recommendations for the user are shown as well."""

    def __post_init__(self) -> None:
        check(1 <= self.k <= 20, "k", self.k, "an integer in 1..20")


@dataclass(frozen=True, eq=False)
class Lists:
    """One run's ranked items for all users."""

    run: Path
    users: list[str]
    targets: list[str]
    history_lengths: list[int]
    model: str
    """Name of the model among the methods."""
    methods: dict[str, np.ndarray]
    """Method -> (U, k) item ids."""
    codes: np.ndarray | None
    """(N + 1, L) identifiers; None for a method without them."""


def report(run: Path, flags: Flags) -> None:
    """Print the example.

    Raises:
        InputError: if the run was not evaluated or by a version that wrote no lists, there is no such user, or
            `against` has other users or held-out items.
    """
    dataset = RecDataset.load(stage_folder(run, "prepare"))
    lists = load_lists(run)
    place = choose(lists, dataset, flags)
    lines = list(example_lines(lists, dataset, place, flags.k))
    if flags.against:
        other = load_lists(flags.against)
        if (other.users, other.targets) != (lists.users, lists.targets):
            raise InputError(
                f"{flags.against} holds other users or held-out items than {run}; compare runs on one data set"
            )
        lines += method_lines(other, dataset, place, flags.k, [other.model])
    # In one piece: a notebook shows every print as a paragraph.
    console().print("\n".join(lines), markup=False, soft_wrap=True)


def load_lists(run: Path) -> Lists:
    """The lists of a run's evaluation, with the identifiers where it has some.

    Raises:
        InputError: if the run was not evaluated, or by a version that wrote no lists.
    """
    import polars as pl

    folder = stage_folder(run, "evaluate")
    methods = read_lists(folder)
    frame = pl.read_parquet(folder / "ranks.parquet", columns=[USER, TARGET, HISTORY_LENGTH])
    settings = json.loads((folder / "metrics.json").read_text())["settings"]
    codes = None
    if has_stage(run, "tokenize"):
        codes = TokenizerBank.load(stage_folder(run, "tokenize")).primary.numpy()
    columns = (frame[name].to_list() for name in (USER, TARGET, HISTORY_LENGTH))
    return Lists(run, *columns, settings["method"], methods, codes)


def choose(lists: Lists, dataset: RecDataset, flags: Flags) -> int:
    """Row of the user to show.

    Raises:
        InputError: if the user is not in the split; without a user, if no held-out item is among the first k.
    """
    if flags.user:
        if flags.user not in lists.users:
            raise InputError(f"user={flags.user} was not evaluated; known are {', '.join(lists.users[:3])}, ...")
        return lists.users.index(flags.user)
    targets = _item_ids(dataset, lists.targets)
    found = (lists.methods[lists.model][:, : flags.k] == targets[:, None]).any(axis=1)
    if not found.any():
        raise InputError(f"no held-out item is among the first {flags.k} of {lists.model}; raise --k or name a --user")
    return int(found.argmax())


def example_lines(lists: Lists, dataset: RecDataset, place: int, k: int) -> Iterator[str]:
    """History, held-out item and the lists of every method, the model's first, then the baselines'."""
    history, target = _history(lists, dataset, place)
    yield f"User {lists.users[place]}, {lists.history_lengths[place]} items in the history, the latest last"
    for item in history[-N_HISTORY:]:
        yield f"    {_shown(lists, dataset, item)}"
    yield f"Held out: {_shown(lists, dataset, target)}"
    baselines = [name for name in method_order(lists.methods) if name != lists.model]
    yield from method_lines(lists, dataset, place, k, [lists.model, *baselines])


def method_lines(lists: Lists, dataset: RecDataset, place: int, k: int, methods: Sequence[str]) -> Iterator[str]:
    """The first k items of these methods; `<-` marks the held-out one, others show how many first codes they share."""
    (target,) = _item_ids(dataset, [lists.targets[place]])
    for method in methods:
        yield f"{method} ({lists.run})"
        for rank, item in enumerate(lists.methods[method][place, :k].tolist(), start=1):
            if item:
                yield f"  {rank}. {_shown(lists, dataset, item)}{_shared(lists, item, int(target))}"


def _shared(lists: Lists, item: int, target: int) -> str:
    if item == target:
        return "  <- held out"
    if lists.codes is None:
        return ""
    same = int(np.logical_and.accumulate(lists.codes[item] == lists.codes[target]).sum())
    return f"  (shares {same} of {lists.codes.shape[1]} codes)" if same else ""


def _shown(lists: Lists, dataset: RecDataset, item: int) -> str:
    codes = "" if lists.codes is None else f"[{' '.join(map(str, lists.codes[item].tolist()))}] "
    return f"{codes}{dataset.titles[item - 1]}"


def _history(lists: Lists, dataset: RecDataset, place: int) -> tuple[list[int], int]:
    """Items before the held-out one, and that one."""
    start = int(dataset.offsets[dataset.user_ids.index(lists.users[place])])
    end = start + lists.history_lengths[place]
    return dataset.items[start:end].tolist(), int(dataset.items[end])


def _item_ids(dataset: RecDataset, external: Sequence[str]) -> np.ndarray:
    """Item ids 1..N of external ids."""
    items = {name: item for item, name in enumerate(dataset.item_ids, start=1)}
    return np.array([items[name] for name in external])
