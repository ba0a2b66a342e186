"""Titles, texts and attributes from item tables, worked by hand."""

import polars as pl
import pytest

from tigerlite.columns import ITEM
from tigerlite.config import ConfigError, InputError
from tigerlite.data.item_text import ItemTextConfig, clean_text, item_text


def texts(config: ItemTextConfig | None = None, **columns) -> list[str]:
    ids = [str(number) for number in range(len(next(iter(columns.values()))))]
    return item_text(pl.LazyFrame({ITEM: ids, **columns}), ids, config or ItemTextConfig()).texts


def test_fields_become_sentences_in_table_order():
    assert texts(title=["Pen"], price=[3], tags=[["blue", "red"]]) == ["Pen. blue, red."]


def test_named_fields_come_in_their_own_order_whatever_their_type():
    config = ItemTextConfig(fields=("price", "title"))
    assert texts(config, title=["Pen!"], brand=["B"], price=[3]) == ["3. Pen!"]


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Tom &amp; Jerry<br/>\n <b>2 < 3</b>", "Tom & Jerry 2 < 3"),
        ("a <!-- .x {color: red} > --> b <style type='text/css'>p {}</style> c", "a b c"),
        ("cut off <!-- never closed", "cut off"),
        ("<a href='http://x'>link</a>", "link"),
        ("&lt;p&gt;twice&lt;/p&gt;", "twice"),
    ],
)
def test_cleaning_leaves_what_a_reader_would_see(raw, clean):
    assert clean_text(raw) == clean


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ('["One thing.", "Another"]', "One thing. Another."),
        ("['It\\'s', \"mixed\"]", "It's, mixed."),
        ("[not a list", "[not a list."),
        ("[nor, this]", "[nor, this]."),
        ("[]", "item 0"),
    ],
)
def test_lists_stored_as_strings_are_read(raw, text):
    assert texts(title=[raw]) == [text]


def test_without_cleaning_strings_stay_as_they_are():
    assert texts(ItemTextConfig(clean=False), title=['["<b>x</b>"]']) == ['["<b>x</b>"].']


def test_long_texts_are_cut_at_a_space():
    assert texts(ItemTextConfig(max_characters=9), title=["alpha beta gamma"]) == ["alpha"]
    assert texts(ItemTextConfig(max_characters=10), title=["alpha beta gamma"]) == ["alpha beta"]
    assert texts(ItemTextConfig(max_characters=3), title=["alphabet"]) == ["alp"]


def test_items_come_in_the_order_asked_for_and_missing_ones_are_counted():
    table = pl.LazyFrame({ITEM: ["a", "b", "c"], "title": ["A", "", None], "genres": [["g"], [], []]})
    found = item_text(table, ["c", "unknown", "a"], ItemTextConfig())
    assert found.titles == ["item c", "item unknown", "A"]
    assert found.texts == ["item c", "item unknown", "A. g."]
    assert found.attributes == [[], [], ["g"]]
    assert found.n_missing == 2


def test_a_table_of_other_items_is_refused():
    table = pl.LazyFrame({ITEM: ["a ", "b "], "title": ["A", "B"]})
    with pytest.raises(InputError, match=r"no id of the item table is one of .*: it has 'a ', they have 'a'; name"):
        item_text(table, ["a", "b"], ItemTextConfig())


def test_missing_text_is_refused_on_demand():
    table = pl.LazyFrame({ITEM: ["a", "b"], "title": ["A", ""]})
    with pytest.raises(
        InputError, match=r"2 of 3 interacted items have no text \(first: 'b'\); add them .*missing=fallback"
    ):
        item_text(table, ["a", "b", "c"], ItemTextConfig(missing="refuse"))


def test_without_an_item_table_there_are_only_titles():
    found = item_text(None, ["7"], ItemTextConfig(missing="refuse"))
    assert (found.titles, found.texts, found.attributes, found.n_missing) == (["item 7"], None, None, 0)


def test_the_title_is_its_column_or_the_first_field():
    table = pl.LazyFrame({ITEM: ["a"], "brand": ["B"], "title": ["T"], "name": ["N"]})
    assert item_text(table, ["a"], ItemTextConfig()).titles == ["T"]
    assert item_text(table, ["a"], ItemTextConfig(title="name")).titles == ["N"]
    assert item_text(table.drop("title"), ["a"], ItemTextConfig()).titles == ["B"]


def test_attributes_are_divided_strings_or_whole_list_entries():
    table = pl.LazyFrame(
        {ITEM: ["a", "b"], "title": ["A", "B"], "tags": ["x|y, x", "['p, q', 'r']"], "more": [["u&amp;v"], []]}
    )
    config = ItemTextConfig(attributes=("tags", "more"))
    assert item_text(table, ["a", "b"], config).attributes == [["x", "y", "u&v"], ["p, q", "r"]]
    assert item_text(table, ["a", "b"], ItemTextConfig()).attributes == [["u&v"], []]
    config = ItemTextConfig(attributes=("tags",), separators=())
    assert item_text(table, ["a"], config).attributes == [["x|y, x"]]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"fields": ("titel",)}, "prepare.text.fields names 'titel', which the item table has not; its columns: title"),
        ({"attributes": ("tags",)}, "prepare.text.attributes names 'tags'"),
        ({"title": "name"}, "prepare.text.title names 'name'"),
    ],
)
def test_a_column_that_is_not_there_is_refused(setting, message):
    with pytest.raises(InputError, match=message):
        texts(ItemTextConfig(**setting), title=["A"])


def test_a_table_without_text_is_refused():
    with pytest.raises(InputError, match=r"no text column; name some in prepare\.text\.fields"):
        texts(price=[1])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"max_characters": 0}, "max_characters=0 is out of range"),
        ({"missing": "skip"}, "missing='skip' is unknown; allowed: fallback, refuse"),
        ({"separators": ("",)}, "separators=.* is out of range"),
    ],
)
def test_a_config_out_of_range_is_refused(setting, message):
    with pytest.raises(ConfigError, match=message):
        ItemTextConfig(**setting)
