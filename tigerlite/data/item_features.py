"""Discrete features of items, for recommenders that read what an item is beside which it is (FDSA, S3-Rec).

A feature is an attribute (genre, brand, category) or, where the data have none, a word of the item's text. Every item
gets a row of feature ids: 0 is padding, 1 stands for "no feature" (an item of which nothing is known), 2, 3, ... are the
features in alphabetical order. Items are described by what they say of themselves alone, so nothing leaks from the split.
"""

import logging
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from tigerlite.config import InputError, check, check_choice
from tigerlite.data.dataset import RecDataset

log = logging.getLogger(__name__)

NO_FEATURE = 1
"""Id that an item without any feature carries."""
FIRST = 2
"""Id of the first feature."""
_WORD = re.compile(r"[^\W_]{2,}")


@dataclass(frozen=True, kw_only=True)
class FeaturesConfig:
    """Which features of the items are read."""

    source: str = "auto"
    """attributes, words (of the item texts), or auto: attributes where the data have them, words otherwise."""
    min_count: int = 2
    """Features that fewer items carry are dropped: one that a single item carries says no more than its id."""
    max_share: float = 0.2
    """Words that a larger share of the items carries are dropped, as stop words are; attributes are all kept. Ours."""
    max_features: int = 2000
    """Most different features, those that the most items carry, ties in alphabetical order; bounds the work of S3-Rec's
    pre-training, whose own data sets have 331 to 2,277 attributes (arXiv 2008.07873, table 1)."""
    max_per_item: int = 16
    """Most features of one item, the first mentioned; bounds memory, since items of a batch are padded to it. Ours."""

    def __post_init__(self) -> None:
        check_choice("source", self.source, ("auto", "attributes", "words"))
        check(self.min_count >= 1, "min_count", self.min_count, "an integer >= 1")
        check(0 < self.max_share <= 1, "max_share", self.max_share, "a number in (0, 1]")
        check(self.max_features >= 1, "max_features", self.max_features, "an integer >= 1")
        check(self.max_per_item >= 1, "max_per_item", self.max_per_item, "an integer >= 1")


def item_features(dataset: RecDataset, config: FeaturesConfig) -> np.ndarray:
    """Feature ids (N + 1, F) int64 of every item, right-padded with 0; row 0, the padding item, is all 0.

    Raises:
        InputError: if the data have no attributes and no texts (or not those asked for), or no feature is kept.
    """
    described = _attributes(dataset) if _reads_attributes(dataset, config) else _words(dataset, config)
    counts = Counter(feature for features in described for feature in features)
    frequent = sorted(
        (feature for feature in counts if counts[feature] >= config.min_count), key=lambda f: (-counts[f], f)
    )
    kept = sorted(frequent[: config.max_features])
    if not kept:
        raise InputError(
            f"none of {len(counts)} item features is carried by features.min_count={config.min_count} items; lower it, "
            "or describe the items in prepare.text"
        )
    number = {feature: FIRST + place for place, feature in enumerate(kept)}
    rows = [[number[feature] for feature in features if feature in number] for features in described]
    rows = [row[: config.max_per_item] or [NO_FEATURE] for row in rows]
    table = np.zeros((len(rows) + 1, max(map(len, rows))), dtype=np.int64)
    for item, row in enumerate(rows, start=1):
        table[item, : len(row)] = row
    without = sum(row == [NO_FEATURE] for row in rows)
    log.info("item features: %d of %d kept, %d of %d items have none", len(kept), len(counts), without, len(rows))
    return table


def _reads_attributes(dataset: RecDataset, config: FeaturesConfig) -> bool:
    if config.source == "attributes" and dataset.attributes is None:
        raise InputError(
            "the data set has no item attributes; name columns in prepare.text.attributes or set source=words"
        )
    if config.source == "words" and dataset.texts is None:
        raise InputError("the data set has no item texts; give an item table or set source=attributes")
    if dataset.attributes is None and dataset.texts is None:
        raise InputError(
            "the data set has neither item attributes nor texts, which this method reads; give an item table, or choose "
            "a method that reads ids alone (network=sasrec)"
        )
    return config.source == "attributes" or (config.source == "auto" and dataset.attributes is not None)


def _attributes(dataset: RecDataset) -> list[list[str]]:
    return [list(dict.fromkeys(attributes)) for attributes in dataset.attributes or ()]


def _words(dataset: RecDataset, config: FeaturesConfig) -> list[list[str]]:
    """Distinct lower-case words of each text, in order, without those of too many items."""
    ids_and_texts = zip(dataset.item_ids, dataset.texts or (), strict=True)
    # An item without text was given "item ID" in its place, which says nothing.
    texts = ["" if text == f"item {item}" else text for item, text in ids_and_texts]
    found = [list(dict.fromkeys(_WORD.findall(text.lower()))) for text in texts]
    counts = Counter(word for words in found for word in words)
    # At least one item may always carry a word, also in a tiny catalogue.
    most = max(1, config.max_share * len(texts))
    return [[word for word in words if counts[word] <= most] for words in found]
