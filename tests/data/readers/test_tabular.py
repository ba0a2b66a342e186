"""One data set in every format and as data frames reads the same; damaged files are refused with the line."""

import gzip
import json

import pandas as pd
import polars as pl
import pytest

from tigerlite.columns import ITEM, TIME, USER
from tigerlite.config import ConfigError, InputError
from tigerlite.data.readers import tabular
from tigerlite.data.readers.tabular import TabularConfig, tables_from_frames
from tigerlite.data.tables import content_hash

EVENTS = pl.DataFrame(
    {"user": ["01", "b", "b"], "asin": ["x", "y, z", "x"], "time": [5, 7, 6], "rating": [1.5, 2.0, 5.0]}
)
ITEMS = pl.DataFrame({"asin": ["x", "y, z"], "title": ['An "X"', None], "price": [1.5, None]})
COLUMNS = {"item": "asin", "item_id": "asin", "rating": "rating"}


def write(frame: pl.DataFrame, file) -> None:
    suffix = file.name.removesuffix(".gz").rsplit(".")[-1]
    if suffix == "parquet":
        return frame.write_parquet(file)
    if suffix in ("jsonl", "ndjson"):
        text = frame.write_ndjson()
    else:
        text = frame.write_csv(separator="\t" if suffix == "tsv" else ",")
    return file.write_bytes(gzip.compress(text.encode()) if file.name.endswith(".gz") else text.encode())


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "ndjson", "parquet", "csv.gz", "tsv.gz", "jsonl.gz"])
def test_every_format_holds_the_same_interactions(suffix, tmp_path):
    write(EVENTS, tmp_path / f"e.{suffix}")
    write(ITEMS, tmp_path / f"i.{suffix}")
    config = TabularConfig(interactions=f"e.{suffix}", items=f"i.{suffix}", **COLUMNS)
    tables = tabular.read(tmp_path, config)
    expected = tables_from_frames(EVENTS, ITEMS, config)
    assert tables.interactions.collect().equals(expected.interactions.collect())
    columns = [ITEM, "title"]  # a CSV table holds the price as a string
    assert tables.items.select(columns).collect().equals(expected.items.select(columns).collect())
    assert tabular.files(tmp_path, config) == [tmp_path / f"e.{suffix}", tmp_path / f"i.{suffix}"]


@pytest.mark.parametrize("lazy", [False, True])
def test_polars_and_pandas_frames_are_the_same_data(lazy):
    events, items = EVENTS, ITEMS.with_columns(tags=pl.Series([["p", "q"], []]))
    config = TabularConfig(**COLUMNS)
    from_pandas = tables_from_frames(
        pd.DataFrame(events.to_dict(as_series=False)), pd.DataFrame(items.to_dict(as_series=False)), config
    )
    from_polars = tables_from_frames(events.lazy() if lazy else events, items.lazy() if lazy else items, config)
    assert content_hash(from_pandas) == content_hash(from_polars)


def test_pandas_times_and_missing_numbers_are_read():
    times = pd.to_datetime(["1970-01-01 00:00:05", "1970-01-01 00:00:07"])
    for column in (times, times.tz_localize("UTC"), pd.Series(times).dt.strftime("%Y-%m-%d %H:%M:%S"), [5.0, 7.9]):
        events = pd.DataFrame({"user": [1, 2], "item": pd.array([3, 4], dtype="Int64"), "time": column})
        tables = tables_from_frames(events, None, TabularConfig())
        assert tables.interactions.collect()[TIME].to_list() == [5, 7]
        assert tables.interactions.collect()[ITEM].to_list() == ["3", "4"]
    missing = pd.DataFrame({"user": [1, None], "item": [3, 4], "time": [5, 7]})
    with pytest.raises(InputError, match="interactions: 1 rows have no user id"):
        tables_from_frames(missing, None, TabularConfig())


def test_a_data_set_without_times_keeps_input_order(tmp_path):
    (tmp_path / "e.csv").write_text("user,item\n7,x\n007,y\n")
    rows = tabular.read(tmp_path, TabularConfig(interactions="e.csv", time=None)).interactions.collect()
    assert TIME not in rows.columns
    assert rows[USER].to_list() == ["7", "007"]


def test_a_separator_can_be_named(tmp_path):
    (tmp_path / "e.csv").write_text("user;item;time\n7;x;1\n")
    tables = tabular.read(tmp_path, TabularConfig(interactions="e.csv", separator=";"))
    assert tables.interactions.collect()[ITEM].to_list() == ["x"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.csv", b"user,item,time\na,x,1\nb,y,2,9\n", "e.csv, line 3: 4 fields, the header has 3; quote fields"),
        ("e.csv", b'user,item,time\na,"x\ny",1\nb,y,2,9\n', "e.csv, line 4: 4 fields"),
        ("e.csv", b'user,item,time\na,x,1\nb,"y,2\nc,x,3\n', "e.csv, line 3: .*close the quotation mark"),
        ("e.csv", b"user,item,time\na,x,1\nb,\xff,2\n", "e.csv, line 3: not UTF-8 text"),
        (
            "e.csv",
            b"user,item,time\na,x\n",
            "column 'time' has 1 values that are neither numbers nor dates, first None",
        ),
        ("e.csv", b"", "e.csv: the file is empty"),
        (
            "e.tsv",
            b"user,item,time\na,x,1\n",
            "no column 'user'; the columns there are: user,item,time; set prepare.tabular.separator to what divides them",
        ),
        ("e.jsonl", b'{"user": 1, "item": 2, "time": 3}\n{"user": 1, "it\n', "e.jsonl, line 2: not JSON"),
        (
            "e.jsonl",
            b'{"user": 1, "item": 2, "time": 3}\n[1, 2]\n',
            "e.jsonl, line 2: holds a list; expected one JSON object",
        ),
        ("e.ndjson", b"", "e.ndjson: the file is empty"),
        (
            "e.jsonl",
            b'{"user": 1, "item": 2}\n',
            "there are: user, item; set prepare.tabular.time, or to null where rows are in time order",
        ),
        ("e.csv.gz", b"not gzip", "damaged gzip file"),
        ("e.csv.gz", gzip.compress(b"user,item,time\n" * 99, mtime=0)[:-9], "damaged gzip file"),
        ("e.csv.gz", gzip.compress(b"user,item,time\na,x,1,9\n", mtime=0), "e.csv.gz, line 2: 4 fields"),
        ("e.parquet", b"not parquet", "e.parquet: cannot be read"),
        ("e.xlsx", b"", r"unknown format; allowed: \.csv, \.tsv, \.jsonl, \.ndjson"),
        ("e.parquet.gz", gzip.compress(b"x", mtime=0), "unknown format"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        tabular.read(tmp_path, TabularConfig(interactions=name))
    assert "\n" not in str(error.value)


def test_a_damaged_item_table_names_its_own_file(tmp_path):
    write(EVENTS, tmp_path / "e.csv")
    lines = [json.dumps({"asin": "x", "title": "X"}), '{"asin": "y", "title": "Y']
    (tmp_path / "i.jsonl").write_text("\n".join(lines))
    config = TabularConfig(interactions="e.csv", items="i.jsonl", **COLUMNS)
    with pytest.raises(InputError, match=r"i\.jsonl, line 2: not JSON"):
        tabular.read(tmp_path, config)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"interactions\.csv does not exist; check prepare\.folder"):
        tabular.read(tmp_path, TabularConfig())


def test_something_else_than_a_data_frame_is_refused():
    with pytest.raises(InputError, match="interactions is a list; give a polars or a pandas DataFrame"):
        tables_from_frames([1], None, TabularConfig())


@pytest.mark.parametrize("separator", ["::", "é", ""])
def test_a_separator_that_is_not_one_byte_is_refused(separator):
    with pytest.raises(ConfigError, match=f"separator='{separator}' is out of range; allowed: one character of ASCII"):
        TabularConfig(separator=separator)
