"""Your own data: a table of interactions and, if there is one, a table of items, from files or from data frames.

Files are CSV, TSV, JSON lines (.jsonl, .ndjson) or parquet, the text formats also gzipped (.gz). Columns are named in
the config. CSV cells are read as strings, so that the id 007 stays 007.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tigerlite.config import InputError, check
from tigerlite.data.tables import Tables, interactions_table, items_table

if TYPE_CHECKING:
    import polars as pl

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_JSON_LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True, kw_only=True)
class TabularConfig:
    """Files inside `prepare.folder` and what their columns are called."""

    interactions: str = "interactions.csv"
    """File of interactions: .csv, .tsv, .jsonl, .ndjson (each also .gz) or .parquet."""
    items: str | None = None
    """File of items, same formats; None = the items have no text."""
    user: str = "user"
    """Column of user ids."""
    item: str = "item"
    """Column of item ids in the interactions."""
    time: str | None = "time"
    """Column of times: seconds, dates, or any number that grows (a position); None = rows are in time order."""
    rating: str | None = None
    """Column of ratings; None = there are none."""
    item_id: str = "item"
    """Column of item ids in the item table."""
    separator: str | None = None
    """What divides columns of text tables; None = comma for .csv, tab for .tsv."""

    def __post_init__(self) -> None:
        single = self.separator is None or len(self.separator.encode()) == 1
        check(single, "separator", self.separator, "one character of ASCII, or null")


def read(folder: Path, config: TabularConfig) -> Tables:
    """The tables of the files that `config` names, in the files' row order.

    Raises:
        InputError: on a missing file, an unknown suffix, a line that cannot be parsed (its number is given), a missing
            column, and on whatever `interactions_table` and `items_table` refuse.
    """
    import polars as pl

    path = folder / config.interactions
    try:
        interactions = _interactions(_scan(path, config.separator), config, source=str(path))
        if config.items is None:
            return Tables(interactions)
        path = folder / config.items
        # Read whole, so that a damaged line is found here, where its number can be told.
        items = _scan(path, config.separator).collect(engine="streaming").lazy()
        return Tables(interactions, items_table(items, source=str(path), item=config.item_id))
    except pl.exceptions.PolarsError as error:
        raise InputError(_explain(path, config.separator, error)) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: damaged gzip file ({error}); copy it again") from None


def files(folder: Path, config: TabularConfig) -> list[Path]:
    """The files that the config names."""
    return [folder / name for name in (config.interactions, config.items) if name is not None]


def tables_from_frames(interactions: Any, items: Any | None, config: TabularConfig) -> Tables:
    """The same tables from polars or pandas data frames; `config` names their columns, its file names are not used.

    Raises:
        InputError: on anything that is no data frame, and on whatever the files would be refused for.
    """
    import polars as pl

    try:
        table = _interactions(_lazy(interactions, "interactions"), config, source="interactions")
        described = None if items is None else items_table(_lazy(items, "items"), source="items", item=config.item_id)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"the data frames cannot be read: {_first_line(error)}") from None
    return Tables(table, described)


def _interactions(frame: "pl.LazyFrame", config: TabularConfig, source: str) -> "pl.LazyFrame":
    columns = {"user": config.user, "item": config.item, "time": config.time, "rating": config.rating}
    return interactions_table(frame, source=source, **columns)


def _scan(path: Path, separator: str | None) -> "pl.LazyFrame":
    import polars as pl

    if not path.is_file():
        raise InputError(f"file {path} does not exist; check prepare.folder and the file names in prepare.tabular")
    suffix, zipped = _suffix(path)
    # Decompressed here and not by polars, whose older versions cannot scan every format gzipped.
    source = io.BytesIO(gzip.decompress(path.read_bytes())) if zipped else path
    if suffix == ".parquet" and not zipped:
        return pl.scan_parquet(source)
    if suffix in _JSON_LINES:
        return pl.scan_ndjson(source, infer_schema_length=None)
    if suffix in _SEPARATORS:
        # infer_schema_length=0 reads every cell as a string.
        return pl.scan_csv(source, separator=separator or _SEPARATORS[suffix], infer_schema_length=0)
    raise InputError(f"{path}: unknown format; allowed: .csv, .tsv, .jsonl, .ndjson (each also with .gz) and .parquet")


def _suffix(path: Path) -> tuple[str, bool]:
    zipped = path.suffix.lower() == ".gz"
    return (path.with_suffix("") if zipped else path).suffix.lower(), zipped


def _explain(path: Path, separator: str | None, error: Exception) -> str:
    """Which line polars stumbled over: it does not say, so the file is read again the slow way."""
    suffix, zipped = _suffix(path)
    if suffix in (*_JSON_LINES, *_SEPARATORS):
        content = gzip.decompress(path.read_bytes()) if zipped else path.read_bytes()
        if not content.strip():
            return f"{path}: the file is empty"
        text = suffix in _JSON_LINES
        for problem in _json_problems(content) if text else _csv_problems(content, separator or _SEPARATORS[suffix]):
            return f"{path}, {problem}"
    return f"{path}: cannot be read ({_first_line(error)})"


def _json_problems(content: bytes) -> Iterator[str]:
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            row = json.loads(line) if line.strip() else {}
        except ValueError as error:
            yield f"line {number}: not JSON ({error})"
        else:
            if not isinstance(row, dict):
                yield f"line {number}: holds a {type(row).__name__}; expected one JSON object per line"


def _csv_problems(content: bytes, separator: str) -> Iterator[str]:
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            yield f"line {number}: not UTF-8 text; convert the file"
    rows = csv.reader(io.StringIO(content.decode("utf-8", "replace")), delimiter=separator, strict=True)
    width, start = 0, 1
    try:
        for row in rows:
            width = width or len(row)
            if len(row) > width:
                yield f"line {start}: {len(row)} fields, the header has {width}; quote fields that hold {separator!r}"
            start = rows.line_num + 1
    except csv.Error as error:
        yield f"line {start}: {error}; close the quotation mark"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _lazy(frame: Any, name: str) -> "pl.LazyFrame":
    import polars as pl

    if isinstance(frame, pl.LazyFrame):
        return frame
    if isinstance(frame, pl.DataFrame):
        return frame.lazy()
    if type(frame).__module__.startswith("pandas") and type(frame).__name__ == "DataFrame":
        return pl.LazyFrame([_from_pandas(str(column), frame[column]) for column in frame.columns])
    raise InputError(f"{name} is a {type(frame).__name__}; give a polars or a pandas DataFrame")


def _from_pandas(name: str, column: Any) -> "pl.Series":
    """A pandas column without pyarrow, which is not a dependency; NaN, NaT and None become null."""
    import polars as pl

    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "M":
        return pl.Series(name, column.to_numpy().astype("datetime64[us]"))
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb":
        return pl.Series(name, column.to_numpy(), nan_to_null=True)
    cells = [None if missing else cell for cell, missing in zip(column, column.isna(), strict=True)]
    return pl.Series(name, cells, strict=False)
