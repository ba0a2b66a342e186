"""The prepared data set survives its files, and names its content."""

from dataclasses import replace

import numpy as np
import pytest

from tigerlite.config import InputError
from tigerlite.data.dataset import RecDataset


@pytest.fixture
def dataset() -> RecDataset:
    return RecDataset(
        items=np.array([1, 2, 3, 2, 1, 3, 3], dtype=np.int32),
        offsets=np.array([0, 4, 7]),
        times=np.array([1, 2, 2, 9, 5, 6, 8]),
        train_ends=np.array([2, 5]),
        validation=np.array([[0, 2], [1, 5]]),
        test=np.array([[0, 3], [1, 6]]),
        user_ids=["anna", "бен"],
        item_ids=["x", "y", "z"],
        titles=["X", "Y – 2", "Z"],
        texts=["X.", "Y – 2.", "Z."],
        attributes=[["red"], [], ["red", "blue"]],
        identifiers=np.array([[0, 0], [1, 2], [3, 4], [1, 5]], dtype=np.int32),
        statistics={"users": 2},
    )


def test_loading_gives_back_what_was_saved(dataset, tmp_path):
    dataset.save(tmp_path)
    loaded = RecDataset.load(tmp_path)
    for name in ("items", "offsets", "times", "train_ends", "validation", "test", "identifiers"):
        saved = getattr(dataset, name)
        assert getattr(loaded, name).dtype == saved.dtype
        assert (getattr(loaded, name) == saved).all()
    for name in ("user_ids", "item_ids", "titles", "texts", "attributes", "statistics", "fingerprint"):
        assert getattr(loaded, name) == getattr(dataset, name)
    assert (loaded.n_users, loaded.n_items) == (2, 3)


def test_parts_that_a_data_set_has_not_stay_none(dataset, tmp_path):
    bare = replace(dataset, times=None, texts=None, attributes=None, identifiers=None)
    bare.save(tmp_path)
    loaded = RecDataset.load(tmp_path)
    assert loaded.times is loaded.texts is loaded.attributes is loaded.identifiers is None
    assert loaded.fingerprint == bare.fingerprint != dataset.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"items": np.array([1, 2, 3, 2, 1, 3, 1], dtype=np.int32)},
        {"times": np.array([1, 2, 2, 9, 5, 6, 9])},
        {"train_ends": np.array([1, 5])},
        {"item_ids": ["x", "y", "w"]},
        {"texts": ["X.", "Y.", "Z."]},
        {"attributes": None},
        {"identifiers": None},
    ],
)
def test_the_fingerprint_changes_with_any_part(dataset, change):
    assert replace(dataset, **change).fingerprint != dataset.fingerprint


def test_of_the_statistics_the_fingerprint_has_only_whether_items_are_held_out(dataset):
    assert replace(dataset, statistics={}).fingerprint == dataset.fingerprint
    held_out = replace(dataset, statistics={"cold_items": 1})
    assert held_out.fingerprint != dataset.fingerprint
    assert replace(dataset, statistics={"cold_items": 2}).fingerprint == held_out.fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offsets": np.array([0, 4, 6])}, "offsets must rise from 0 to 7 over 2 users"),
        ({"offsets": np.array([0, 7])}, "offsets must rise from 0 to 7 over 2 users"),
        ({"items": np.array([0, 2, 3, 2, 1, 3, 3], dtype=np.int32)}, r"item ids span 0\.\.3; allowed: 1\.\.3"),
        ({"titles": ["X"]}, "titles has 1 entries; expected 3"),
        ({"identifiers": np.zeros((3, 2), dtype=np.int32)}, "identifiers has 3 entries; expected 4"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(dataset, change, message):
    with pytest.raises(InputError, match=message):
        replace(dataset, **change)


def test_an_incomplete_folder_is_refused(dataset, tmp_path):
    dataset.save(tmp_path)
    (tmp_path / "items.json").unlink()
    with pytest.raises(InputError, match=r"holds no prepared data set: items\.json is missing; run the prepare stage"):
        RecDataset.load(tmp_path)
