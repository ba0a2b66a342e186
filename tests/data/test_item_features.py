"""Feature ids of items: attributes or words, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from tigerlite.config import ConfigError, InputError
from tigerlite.data.dataset import RecDataset
from tigerlite.data.item_features import NO_FEATURE, FeaturesConfig, item_features

ALL = FeaturesConfig(min_count=1, max_share=1.0)


def dataset(*, attributes: list[list[str]] | None = None, texts: list[str] | None = None) -> RecDataset:
    n_items = len(attributes or texts or [""])
    return RecDataset(
        items=np.arange(1, n_items + 1, dtype=np.int32),
        offsets=np.array([0, n_items]),
        train_ends=np.array([n_items]),
        validation=np.zeros((0, 2), dtype=np.int64),
        test=np.zeros((0, 2), dtype=np.int64),
        user_ids=["u"],
        item_ids=[f"i{item}" for item in range(1, n_items + 1)],
        titles=[""] * n_items,
        texts=texts,
        attributes=attributes,
    )


def test_attributes_are_numbered_in_alphabetical_order_and_items_without_any_get_the_id_of_none():
    table = item_features(dataset(attributes=[["b", "a"], [], ["c", "b", "b"]]), ALL)
    assert table.tolist() == [[0, 0], [3, 2], [NO_FEATURE, 0], [4, 3]]


def test_an_item_that_keeps_no_feature_is_one_without():
    table = item_features(dataset(attributes=[["a"], ["b"], ["a"]]), replace(ALL, min_count=2))
    assert table.tolist() == [[0], [2], [NO_FEATURE], [2]]


def test_the_most_frequent_features_are_kept_and_of_an_item_the_first_mentioned():
    described = [["c", "b", "a"], ["b"], ["c"], ["d", "b"]]
    table = item_features(dataset(attributes=described), replace(ALL, max_features=2, max_per_item=1))
    assert table[1:, 0].tolist() == [3, 2, 3, 2]  # b (3 items) = 2, c (2 items) = 3


def test_words_are_lower_case_distinct_and_without_those_of_too_many_items():
    texts = ["The red Pen, the red one.", "the blue pen", "THE cap", "the X box"]
    table = item_features(dataset(texts=texts), replace(ALL, max_share=0.5))
    names = ["blue", "box", "cap", "one", "pen", "red"]
    found = [[names[feature - 2] for feature in row if feature] for row in table[1:].tolist()]
    assert found == [["red", "pen", "one"], ["blue", "pen"], ["cap"], ["box"]]


def test_the_text_of_an_item_without_one_has_no_words():
    table = item_features(dataset(texts=["pen", "item i2"]), ALL)
    assert table.tolist() == [[0], [2], [NO_FEATURE]]


def test_attributes_come_before_words_unless_words_are_asked_for():
    both = dataset(attributes=[["a"], ["a"]], texts=["red", "blue"])
    assert item_features(both, ALL)[1:].tolist() == [[2], [2]]
    assert item_features(both, replace(ALL, source="words"))[1:].tolist() == [[3], [2]]


@pytest.mark.parametrize(
    ("given", "source", "message"),
    [
        ({}, "auto", "has neither item attributes nor texts, which this method reads; give an item table, or choose"),
        (
            {"texts": ["a"]},
            "attributes",
            "no item attributes; name columns in prepare.text.attributes or set source=words",
        ),
        ({"attributes": [["a"]]}, "words", "no item texts; give an item table or set source=attributes"),
        ({"attributes": [["a"], ["b"]]}, "auto", "none of 2 item features is carried by features.min_count=2 items"),
    ],
)
def test_data_without_what_is_asked_for_are_one_line(given, source, message):
    with pytest.raises(InputError, match=message):
        item_features(dataset(**given), FeaturesConfig(source=source))


def test_out_of_range_settings_are_refused():
    with pytest.raises(ConfigError, match="source='word' is unknown; allowed: auto, attributes, words"):
        FeaturesConfig(source="word")
    with pytest.raises(ConfigError, match="max_features=0 is out of range"):
        FeaturesConfig(max_features=0)
