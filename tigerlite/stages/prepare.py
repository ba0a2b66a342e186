"""Stage prepare: read, filter, split and number a data set; write it with its statistics.

Users and items are numbered in the order of their external ids, numerically where all of them are whole numbers,
otherwise alphabetically: the numbering does not depend on the order of the input. Only items that occur in an
interaction that is left after filtering become items; a catalogue's other entries are not known to the model.
"""

import hashlib
import logging
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tigerlite.columns import ITEM, TIME, USER
from tigerlite.config import InputError, check_choice
from tigerlite.data.cold_items import ColdConfig, HeldOut, choose_cold, hold_out
from tigerlite.data.dataset import RecDataset
from tigerlite.data.filtering import FilterConfig, Filtered, filter_interactions, time_order
from tigerlite.data.item_text import ItemText, ItemTextConfig, item_text
from tigerlite.data.readers import READERS
from tigerlite.data.readers.demo import DemoConfig
from tigerlite.data.readers.letter import LetterConfig
from tigerlite.data.readers.s3rec import S3RecConfig
from tigerlite.data.readers.tabular import TabularConfig
from tigerlite.data.sequences import training_items, training_positions
from tigerlite.data.splits import SplitConfig, split_interactions
from tigerlite.data.tables import Tables, content_hash
from tigerlite.letter_index import codes_from_tokens
from tigerlite.stages.trainer_config import Context

if TYPE_CHECKING:
    import polars as pl

VERSION = 1
TRAINS = False

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """Where the data come from and what is kept of them."""

    reader: str = "demo"
    """Format: demo (MovieLens, needs no folder), tabular, letter or s3rec; its section names files and columns."""
    folder: Path | None = None
    """Folder of the data set's files; not used by demo."""
    demo: DemoConfig = field(default_factory=DemoConfig)
    """Options of reader demo."""
    tabular: TabularConfig = field(default_factory=TabularConfig)
    """Options of reader tabular, and the column names of data frames."""
    letter: LetterConfig = field(default_factory=LetterConfig)
    """Options of reader letter."""
    s3rec: S3RecConfig = field(default_factory=S3RecConfig)
    """Options of reader s3rec."""
    filtering: FilterConfig = field(default_factory=FilterConfig)
    """Which interactions are kept."""
    split: SplitConfig = field(default_factory=SplitConfig)
    """What trains, validates and tests."""
    text: ItemTextConfig = field(default_factory=ItemTextConfig)
    """How item texts are made."""
    cold: ColdConfig = field(default_factory=ColdConfig)
    """Items held out of training, to measure recommendations of new ones."""

    def __post_init__(self) -> None:
        check_choice("reader", self.reader, tuple(READERS))

    @property
    def unused(self) -> tuple[str, ...]:
        """Sections of the readers that were not chosen, and cold items where there are none."""
        readers = tuple(name for name in READERS if name != self.reader)
        return readers if self.cold.enabled else (*readers, "cold")


@dataclass(frozen=True)
class Source:
    """What the stage reads: files that its config names, or tables given from Python."""

    fingerprint: str
    """Changes with the content, not with the place it is stored at."""
    tables: Tables | None = None


def source(config: PrepareConfig, tables: Tables | None = None) -> Source:
    """The stage's input with its fingerprint.

    Raises:
        InputError: if the folder or a file is missing.
    """
    return Source(inputs_fingerprint(config, tables), tables)


def inputs_fingerprint(config: PrepareConfig, tables: Tables | None = None) -> str:
    """Hex digits of the content of the input files, or of `tables` if given.

    Raises:
        InputError: if the folder or a file is missing.
    """
    if tables is not None:
        return content_hash(tables)
    digest = hashlib.sha256(config.reader.encode())
    for file in READERS[config.reader].files(_folder(config), _section(config)):
        if not file.is_file():
            raise InputError(
                f"file {file} does not exist; check prepare.folder and the file names in prepare.{config.reader}"
            )
        with file.open("rb") as content:
            digest.update(file.name.encode() + hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]


def run(
    config: PrepareConfig,
    given: Source | None = None,
    *,
    out: Path,
    context: Context | None = None,
    tables: Tables | None = None,
) -> RecDataset:
    """The prepared data set, written to `out` (arrays, ids and texts, `statistics.json`).

    Args:
        given: what `source` returned; None reads the files of `config`.
        tables: interactions and items from data frames, instead of `given`.

    Raises:
        InputError: on any mistake in the input, and if a filter or the split leaves nothing.
    """
    if tables is None:
        tables = given.tables if given is not None else None
    if tables is None:
        tables = READERS[config.reader].read(_folder(config), _section(config))
    filtered = filter_interactions(tables.interactions, config.filtering)
    dataset = _assemble(filtered, tables, config)
    dataset.save(out)
    log.info("prepared %s users, %s items, %s interactions", dataset.n_users, dataset.n_items, len(dataset.items))
    return load(out)


def load(folder: Path) -> RecDataset:
    """The data set in a finished stage folder."""
    return RecDataset.load(folder)


def _section(config: PrepareConfig) -> Any:
    return {"demo": config.demo, "tabular": config.tabular, "letter": config.letter, "s3rec": config.s3rec}[
        config.reader
    ]


def _folder(config: PrepareConfig) -> Path | None:
    if not READERS[config.reader].needs_folder:
        return None
    if config.folder is None:
        raise InputError(f"prepare.folder is not set; reader '{config.reader}' needs the folder of the data set")
    if not config.folder.is_dir():
        raise InputError(f"prepare.folder={config.folder} is not a folder; give the one that holds the data set")
    return config.folder


def _assemble(filtered: Filtered, tables: Tables, config: PrepareConfig) -> RecDataset:
    frame = filtered.interactions.collect(engine="streaming")
    user_ids, item_ids = _numbered(frame[USER]), _numbered(frame[ITEM])
    frame = _with_numbers(frame, user_ids, item_ids)
    users = frame[USER].to_numpy()
    offsets = np.searchsorted(users, np.arange(len(user_ids) + 1)).astype(np.int64)
    times = frame[TIME].to_numpy().astype(np.int64) if TIME in frame.columns else None
    items = (frame[ITEM].to_numpy() + 1).astype(np.int32)
    cold = choose_cold(config.cold, item_ids)
    events = HeldOut(items, offsets, times, split_interactions(offsets, times, config.split))
    if config.cold.enabled:
        events = hold_out(items, offsets, times, events.split, cold)
    text = item_text(tables.items, item_ids, config.text)
    arrays = {
        "items": events.items,
        "offsets": events.offsets,
        "times": events.times,
        "train_ends": events.split.train_ends,
        "validation": events.split.validation,
        "test": events.split.test,
        "identifiers": codes_from_tokens(tables.identifiers, item_ids) if tables.identifiers is not None else None,
    }
    lists = {"titles": text.titles, "texts": text.texts, "attributes": text.attributes}
    dataset = RecDataset(**arrays, **lists, user_ids=user_ids, item_ids=item_ids)
    dataset.statistics.update(_statistics(dataset, filtered, text))
    if config.cold.enabled:
        n_users = int(cold[dataset.items[dataset.test[:, 1]]].sum())
        dataset.statistics.update({"cold_items": int(cold.sum()), "cold_test_users": n_users})
    return dataset


def _numbered(ids: "pl.Series") -> list[str]:
    """Distinct ids in the order in which they are numbered."""
    distinct = ids.unique().to_list()
    if all(re.fullmatch(r"-?[0-9]{1,18}", name) for name in distinct):
        return sorted(distinct, key=lambda name: (int(name), name))
    return sorted(distinct)


def _with_numbers(frame: "pl.DataFrame", user_ids: list[str], item_ids: list[str]) -> "pl.DataFrame":
    """Ids replaced by their numbers from 0, sorted by user and time, ties by input order."""
    import polars as pl

    numbers = [
        pl.col(column).replace_strict(ids, list(range(len(ids))), return_dtype=pl.Int64)
        for column, ids in ((USER, user_ids), (ITEM, item_ids))
    ]
    return frame.lazy().with_columns(numbers).sort([USER, *time_order(frame.columns)]).collect(engine="streaming")


def _statistics(dataset: RecDataset, filtered: Filtered, text: ItemText) -> dict[str, Any]:
    samples = training_positions(dataset)
    n_rows = len(dataset.items)
    trained_items = len(np.unique(training_items(dataset)))
    with_targets = np.union1d(dataset.validation[:, 0], dataset.test[:, 0])
    return {
        "users": dataset.n_users,
        "items": dataset.n_items,
        "interactions": n_rows,
        "mean_length": n_rows / dataset.n_users,
        "density": n_rows / (dataset.n_users * dataset.n_items),
        "training_samples": len(samples),
        "validation_users": len(dataset.validation),
        "test_users": len(dataset.test),
        "training_only_users": dataset.n_users - len(with_targets),
        "items_outside_training": dataset.n_items - trained_items,
        "items_without_text": dataset.n_items if dataset.texts is None else text.n_missing,
        "filters": [asdict(step) for step in filtered.steps],
        "content_hash": dataset.fingerprint,
    }
