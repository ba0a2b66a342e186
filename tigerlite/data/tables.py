"""What every reader gives back, and the one place where ids, times and ratings of any input are checked and cast.

polars is imported inside the functions, so that a training machine can import the config classes without it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tigerlite.columns import ITEM, RATING, ROW, TIME, USER
from tigerlite.config import ConfigError, InputError

if TYPE_CHECKING:
    import polars as pl

# After `T` became a space and `Z` became `+00:00`; a time without a zone is UTC.
_DATE_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%d %H:%M", "%Y-%m-%d")

# What divides columns in files that are named as if something else did.
_SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Tables:
    """A data set as read, before filtering: nothing but this differs between readers."""

    interactions: "pl.LazyFrame"
    """`USER`, `ITEM` (strings), `ROW` (input order), and where the data have them `TIME` (seconds) and `RATING`."""
    items: "pl.LazyFrame | None" = None
    """Column `ITEM` (string, unique) and any other columns; None where the data describe no items."""
    identifiers: dict[str, list[str]] | None = None
    """External item id -> its published semantic id, one token such as `<a_80>` per level; None where there is none."""


def interactions_table(
    frame: "pl.LazyFrame", *, source: str, user: str, item: str, time: str | None = None, rating: str | None = None
) -> "pl.LazyFrame":
    """The interactions under the names of `tigerlite.columns`, checked; `ROW` numbers them in input order.

    Whole-number ids become their decimal strings. Times are whole numbers (kept), fractions (rounded down), dates or
    date strings (seconds since 1970, UTC where no zone is given).

    Args:
        source: what the user calls this table, for messages.
        time: column of times, None where there is none: the input order is then the time order.

    Raises:
        InputError: on a missing column, a null id, a time that is neither number nor date, a rating that is no number.
    """
    import polars as pl

    names = {USER: user, ITEM: item, TIME: time, RATING: rating}
    names = {target: name for target, name in names.items() if name is not None}
    schema = _schema(frame, names, source)
    casts = {USER: _ids, ITEM: _ids, TIME: _seconds, RATING: _numbers}
    columns = {target: casts[target](name, schema[name], source) for target, name in names.items()}
    checks = []
    for target, name in names.items():
        bad = columns[target].is_null()
        checks += [
            bad.sum().alias(f"{target}_count"),
            pl.int_range(pl.len()).filter(bad).first().alias(f"{target}_row"),
            pl.col(name).filter(bad).first().cast(pl.String, strict=False).alias(f"{target}_value"),
        ]
    found = frame.select(checks).collect(engine="streaming").row(0, named=True)
    for target, name in names.items():
        if found[f"{target}_count"]:
            where = f"first {found[f'{target}_value']!r} in data row {found[f'{target}_row'] + 1}"
            raise InputError(_bad_values(source, target, name, found[f"{target}_count"], where))
    return frame.select(column.alias(target) for target, column in columns.items()).with_row_index(ROW)


def items_table(frame: "pl.LazyFrame", *, source: str, item: str) -> "pl.LazyFrame":
    """The item table with its id column as string column `ITEM`, every other column as it is.

    Raises:
        InputError: if column `item` is missing, an id is null, or an id occurs twice.
    """
    import polars as pl

    schema = _schema(frame, {"item_id": item}, source)
    ids = _ids(item, schema[item], source)
    table = frame.select(ids.alias(ITEM), *[name for name in schema if name not in (item, ITEM)])
    missing = table.select(pl.col(ITEM).is_null().sum()).collect(engine="streaming").item()
    if missing:
        raise InputError(f"{source}: {missing} rows have no item id (column '{item}'); fill or drop them")
    repeated = table.group_by(ITEM).len().filter(pl.col("len") > 1).sort(ITEM).collect(engine="streaming")
    if len(repeated):
        first = repeated.row(0, named=True)
        raise InputError(
            f"{source}: {len(repeated)} item ids occur more than once, such as {first[ITEM]!r} ({first['len']} rows); "
            "keep one row per item"
        )
    return table


def content_hash(tables: Tables) -> str:
    """Sixteen hex digits of everything in the tables: equal for equal content, however it was stored."""
    digest = hashlib.sha256()
    for frame in (tables.interactions, tables.items):
        if frame is None:
            digest.update(b"none")
            continue
        rows = frame.collect(engine="streaming")
        digest.update(repr(rows.columns).encode())
        for part in rows.iter_slices(500_000):
            digest.update(part.write_ndjson().encode())
    digest.update(repr(sorted((tables.identifiers or {}).items())).encode())
    return digest.hexdigest()[:16]


def parse_time(field: str, value: str) -> int:
    """Seconds since 1970 (or whatever whole numbers the data count in) of a config value.

    Raises:
        ConfigError: if `value` is neither a whole number nor an ISO date.

    >>> parse_time("start_time", "1970-01-02"), parse_time("start_time", "86400")
    (86400, 86400)
    """
    # YAML reads an unquoted date as a date.
    value = str(value)
    try:
        return int(value)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ConfigError(
            f"{field}={value!r} is no time; allowed: whole seconds, or a date such as 2021-05-31 or 2021-05-31T12:00:00"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _schema(frame: "pl.LazyFrame", wanted: dict[str, str], source: str) -> "pl.Schema":
    """The frame's columns; `wanted` are those that have to be there, by the key of `prepare.tabular` that names them."""
    schema = frame.collect_schema()
    for key, name in wanted.items():
        if name not in schema:
            raise InputError(
                f"{source}: no column '{name}'; the columns there are: {', '.join(schema.names())}; set "
                f"{_key_to_set(key, schema.names())}"
            )
    return schema


def _key_to_set(missing: str, columns: Sequence[str]) -> str:
    if len(columns) == 1 and any(mark in columns[0] for mark in _SEPARATORS):
        return "prepare.tabular.separator to what divides them"
    return f"prepare.tabular.{missing}" + (", or to null where rows are in time order" if missing == TIME else "")


def _ids(name: str, dtype: "pl.DataType", source: str) -> "pl.Expr":
    """Ids as strings, null where there is none; a float column is what integers become beside a missing value."""
    import polars as pl

    column = pl.col(name)
    if dtype.is_float():
        column = column.fill_nan(None)
        whole = column.cast(pl.Int64, strict=False)
        return pl.when(whole == column).then(whole.cast(pl.String)).otherwise(column.cast(pl.String))
    if dtype.is_integer() or dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        text = column.cast(pl.String)
        return pl.when(text != "").then(text)
    raise InputError(f"{source}: column '{name}' has type {dtype}; ids are strings or whole numbers")


def _seconds(name: str, dtype: "pl.DataType", source: str) -> "pl.Expr":
    import polars as pl

    column = pl.col(name)
    if dtype.is_integer() or dtype == pl.Null:
        return column.cast(pl.Int64, strict=False)
    if dtype.is_float():
        return column.floor().cast(pl.Int64, strict=False)
    if dtype in (pl.Date, pl.Datetime):
        return column.cast(pl.Datetime("us")).dt.epoch("s") if dtype == pl.Date else column.dt.epoch("s")
    if dtype != pl.String:
        raise InputError(
            f"{source}: time column '{name}' has type {dtype}; allowed: numbers, dates, or strings of them"
        )
    text = column.str.strip_chars()
    dates = text.str.replace("T", " ", literal=True).str.replace("Z$", "+00:00")
    return pl.coalesce(
        text.cast(pl.Int64, strict=False),
        text.cast(pl.Float64, strict=False).floor().cast(pl.Int64, strict=False),
        *[dates.str.to_datetime(form, time_unit="us", strict=False).dt.epoch("s") for form in _DATE_FORMATS],
    )


def _numbers(name: str, dtype: "pl.DataType", source: str) -> "pl.Expr":
    import polars as pl

    if not (dtype.is_numeric() or dtype in (pl.String, pl.Null)):
        raise InputError(f"{source}: rating column '{name}' has type {dtype}; ratings are numbers")
    column = pl.col(name).str.strip_chars() if dtype == pl.String else pl.col(name)
    return column.cast(pl.Float64, strict=False).fill_nan(None)


def _bad_values(source: str, target: str, name: str, count: int, where: str) -> str:
    if target == TIME:
        return (
            f"{source}: column '{name}' has {count} values that are neither numbers nor dates, {where}; "
            "give seconds since 1970 or dates such as 2021-05-31 12:00:00"
        )
    if target == RATING:
        return f"{source}: column '{name}' has {count} ratings that are no numbers, {where}; give numbers"
    return f"{source}: {count} rows have no {target} id (column '{name}'), {where}; fill or drop them"
