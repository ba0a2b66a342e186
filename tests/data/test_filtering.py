"""Filters against a slow twin and hand-worked tables."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.k_core import k_core as slow_k_core
from tigerlite.columns import ITEM, RATING, ROW, TIME, USER
from tigerlite.config import ConfigError, InputError
from tigerlite.data.filtering import FilterConfig, FilterStep, filter_interactions, k_core

OFF = {"min_user_interactions": 0, "min_item_interactions": 0}


def interactions(pairs, **columns) -> pl.LazyFrame:
    frame = pl.DataFrame({USER: [user for user, _ in pairs], ITEM: [item for _, item in pairs], **columns})
    return frame.with_row_index(ROW).lazy()


def kept_rows(frame: pl.LazyFrame, config: FilterConfig) -> list[int]:
    return sorted(filter_interactions(frame, config).interactions.collect()[ROW].to_list())


@settings(deadline=None, max_examples=40)
@given(
    pairs=st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz")), max_size=40),
    min_user=st.integers(0, 5),
    min_item=st.integers(0, 5),
)
def test_k_core_equals_removing_one_at_a_time(pairs, min_user, min_item):
    schema = {USER: pl.String, ITEM: pl.String}
    frame = pl.LazyFrame({USER: [u for u, _ in pairs], ITEM: [i for _, i in pairs]}, schema=schema).with_row_index(ROW)
    kept = k_core(frame, min_user, min_item).collect().sort(ROW)
    assert list(zip(kept[USER], kept[ITEM], strict=True)) == slow_k_core(pairs, min_user, min_item)


def test_k_core_continues_after_the_first_round():
    # Item y falls first, then user b has one interaction only, then item z, then user c.
    pairs = [("a", "x"), ("a", "w"), ("d", "x"), ("d", "w"), ("b", "y"), ("b", "z"), ("c", "z"), ("c", "x")]
    config = FilterConfig(min_user_interactions=2, min_item_interactions=2)
    assert kept_rows(interactions(pairs), config) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("duplicates", "rows"),
    [("keep", [0, 1, 2, 3, 4]), ("first", [1, 2, 4]), ("last", [0, 3, 4]), ("consecutive", [0, 1, 2, 3, 4])],
)
def test_duplicate_policies_follow_time_order(duplicates, rows):
    # In order of time user a has rows 2, 1, 0, 3: items x, y, x, y. User b begins with the item that a ends with.
    frame = interactions([("a", "x"), ("a", "y"), ("a", "x"), ("a", "y"), ("b", "y")], **{TIME: [3, 2, 1, 4, 9]})
    assert kept_rows(frame, FilterConfig(duplicates=duplicates, **OFF)) == rows


def test_consecutive_keeps_the_first_of_each_run():
    # In order of time rows 0, 2, 1, 3: items x, x, y, y.
    frame = interactions([("a", "x"), ("a", "y"), ("a", "x"), ("a", "y"), ("b", "y")], **{TIME: [1, 3, 2, 4, 0]})
    assert kept_rows(frame, FilterConfig(duplicates="consecutive", **OFF)) == [0, 1, 4]


def test_ties_in_time_keep_input_order():
    pairs = [("a", "x"), ("a", "y"), ("a", "x")]
    config = FilterConfig(duplicates="first", **OFF)
    assert kept_rows(interactions(pairs, **{TIME: [7, 7, 7]}), config) == [0, 1]
    assert kept_rows(interactions(pairs), config) == [0, 1]


def test_time_window_includes_its_start_and_excludes_its_end():
    day = 86_400
    frame = interactions([("a", item) for item in "vwxyz"], **{TIME: [day - 1, day, 2 * day - 1, 2 * day, 9 * day]})
    assert kept_rows(frame, FilterConfig(start_time="1970-01-02", end_time=str(2 * day), **OFF)) == [1, 2]


def test_every_filter_logs_what_it_was_given_and_left():
    frame = interactions([("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")], **{RATING: [5.0, 1.0, 4.0, 5.0]})
    config = FilterConfig(min_rating=3, duplicates="last", min_user_interactions=1, min_item_interactions=2)
    assert filter_interactions(frame, config).steps == [
        FilterStep("min_rating=3", 4, 3),
        FilterStep("duplicates=last", 3, 2),
        FilterStep("k-core(min_user_interactions=1, min_item_interactions=2)", 2, 2),
    ]


def test_an_empty_result_names_the_filter_that_removed_it():
    frame = interactions([("a", "x"), ("a", "y"), ("b", "x")], **{RATING: [5.0, 1.0, 4.0]})
    with pytest.raises(InputError, match=r"min_rating=2: 3 -> 2; k-core\(.*\): 2 -> 0\); relax the last"):
        filter_interactions(frame, FilterConfig(min_rating=2))
    with pytest.raises(InputError, match="the input holds no interaction"):
        filter_interactions(frame.head(0), FilterConfig())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"min_rating": 3.0}, r"min_rating=3\.0 needs a rating per interaction, and this data set has none"),
        ({"start_time": "2020-01-01"}, "start_time=2020-01-01 needs a time per interaction"),
        ({"end_time": "9"}, "end_time=9 needs a time per interaction"),
    ],
)
def test_a_filter_without_its_column_is_refused(setting, message):
    with pytest.raises(InputError, match=message):
        filter_interactions(interactions([("a", "x")]), FilterConfig(**OFF, **setting))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"min_user_interactions": -1}, "min_user_interactions=-1 is out of range"),
        ({"min_item_interactions": -1}, "min_item_interactions=-1 is out of range"),
        ({"duplicates": "frist"}, "did you mean 'first'"),
        ({"start_time": "soon"}, "start_time='soon' is no time; allowed: whole seconds, or a date"),
        ({"start_time": "2020-01-02", "end_time": "2020-01-01"}, "end_time='2020-01-01' is out of range"),
    ],
)
def test_a_config_out_of_range_is_refused(setting, message):
    with pytest.raises(ConfigError, match=message):
        FilterConfig(**setting)
