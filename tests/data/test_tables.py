"""Casting and checking of ids, times and ratings."""

import math
from datetime import date, datetime

import polars as pl
import pytest

from tigerlite.columns import ITEM, RATING, ROW, TIME, USER
from tigerlite.config import ConfigError, InputError
from tigerlite.data.tables import Tables, content_hash, interactions_table, items_table, parse_time


def table(**columns) -> pl.DataFrame:
    names = {"time": "time" if "time" in columns else None, "rating": "rating" if "rating" in columns else None}
    frame = pl.LazyFrame(columns, strict=False)
    return interactions_table(frame, source="t.csv", user="user", item="item", **names).collect()


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ([3, 1], [3, 1]),
        ([3.0, 1.9], [3, 1]),
        (["3", " 1.9 "], [3, 1]),
        ([date(1970, 1, 2), date(1970, 1, 1)], [86_400, 0]),
        ([datetime(1970, 1, 2, 0, 0, 1), datetime(1970, 1, 1)], [86_401, 0]),
        (["1970-01-02", "1970-01-01 00:01"], [86_400, 60]),
        (["1970-01-02T00:00:01Z", "1970-01-01T01:00:00.5+01:00"], [86_401, 0]),
    ],
)
def test_times_become_whole_seconds(values, seconds):
    assert table(user=["a", "b"], item=["x", "y"], time=values)[TIME].to_list() == seconds


def test_aware_datetimes_are_converted_to_utc():
    times = pl.Series([datetime(1970, 1, 1, 5)]).dt.replace_time_zone("Asia/Karachi")
    assert table(user=["a"], item=["x"], time=times)[TIME].to_list() == [0]


def test_ids_become_strings_and_rows_are_numbered():
    frame = table(user=["007", "é"], item=[5, 6], rating=["4.5", " 3"])
    assert frame[USER].to_list() == ["007", "é"]
    assert frame[ITEM].to_list() == ["5", "6"]
    assert frame[RATING].to_list() == [4.5, 3.0]
    assert frame[ROW].to_list() == [0, 1]


def test_whole_floats_are_the_same_ids_as_integers():
    assert table(user=[1.0, 2.5], item=["x", "y"])[USER].to_list() == ["1", "2.5"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"user": ["a", None, ""], "item": [1, 2, 3]},
            r"2 rows have no user id \(column 'user'\), first None in data row 2",
        ),
        ({"user": ["a", "b"], "item": [1.0, math.nan]}, r"1 rows have no item id .*data row 2; fill or drop them"),
        ({"user": ["a"], "item": [[1]]}, r"column 'item' has type List\(Int64\); ids are strings or whole numbers"),
        (
            {"user": ["a", "b"], "item": [1, 2], "time": ["2020-01-01", "yesterday"]},
            "column 'time' has 1 values that are neither numbers nor dates, first 'yesterday' in data row 2; give",
        ),
        ({"user": ["a"], "item": [1], "time": [None]}, "column 'time' has 1 values .* first None in data row 1"),
        ({"user": ["a"], "item": [1], "time": [math.inf]}, "column 'time' has 1 values .* first 'inf'"),
        ({"user": ["a"], "item": [1], "time": [True]}, "time column 'time' has type Boolean; allowed: numbers, dates"),
        (
            {"user": ["a"], "item": [1], "rating": ["good"]},
            "column 'rating' has 1 ratings that are no numbers, first 'good'",
        ),
        ({"user": ["a"], "item": [1], "rating": [[1]]}, "rating column 'rating' has type List"),
        (
            {"userId": ["a"], "item": [1]},
            r"t\.csv: no column 'user'; the columns there are: userId, item; set prepare\.tabular\.user$",
        ),
    ],
)
def test_bad_interactions_are_refused_in_one_line(columns, message):
    with pytest.raises(InputError, match=message) as error:
        table(**columns)
    assert "\n" not in str(error.value)


def test_the_item_table_keeps_its_other_columns():
    frame = pl.LazyFrame({"asin": [5, 6], "title": ["A", "B"], "item": ["lost", "lost"], "price": [1.0, 2.0]})
    kept = items_table(frame, source="items", item="asin").collect()
    assert kept.to_dict(as_series=False) == {ITEM: ["5", "6"], "title": ["A", "B"], "price": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["x", None], "items: 1 rows have no item id"),
        (["x", "y", "x"], r"1 item ids occur more than once, such as 'x' \(2 rows\); keep one row per item"),
    ],
)
def test_bad_item_ids_are_refused(ids, message):
    with pytest.raises(InputError, match=message):
        items_table(pl.LazyFrame({"item": ids}), source="items", item="item")


def test_an_item_table_without_its_id_column_is_refused():
    with pytest.raises(InputError, match="no column 'item'; the columns there are: asin; set prepare.tabular.item_id"):
        items_table(pl.LazyFrame({"asin": ["x"]}), source="items", item="item")


def test_the_content_hash_changes_with_any_part():
    rows = {USER: ["a", "b"], ITEM: ["x", "y"]}
    items = pl.LazyFrame({ITEM: ["x", "y"], "tags": [["p"], ["q", "r"]]})
    base = Tables(pl.LazyFrame(rows), items, {"x": ["<a_1>"]})
    changed = [
        Tables(pl.LazyFrame(rows | {ITEM: ["y", "x"]}), items, {"x": ["<a_1>"]}),
        Tables(pl.LazyFrame(rows), None, {"x": ["<a_1>"]}),
        Tables(pl.LazyFrame(rows), items.with_columns(pl.lit("n").alias("note")), {"x": ["<a_1>"]}),
        Tables(pl.LazyFrame(rows), items, {"x": ["<a_2>"]}),
    ]
    assert len({content_hash(tables) for tables in [base, *changed]}) == 5
    assert content_hash(Tables(pl.LazyFrame(rows), items, {"x": ["<a_1>"]})) == content_hash(base)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("12", 12), ("1970-01-02", 86_400), ("1970-01-01T01:00:00+01:00", 0), (date(1970, 1, 2), 86_400), (12, 12)],
)
def test_config_times_are_seconds_or_iso_dates(value, seconds):
    assert parse_time("start_time", value) == seconds


def test_another_config_time_is_refused():
    with pytest.raises(
        ConfigError, match=r"end_time='31\.05\.2021' is no time; allowed: whole seconds, or a date such as"
    ):
        parse_time("end_time", "31.05.2021")
