"""A folder is opened by what its `model.json` says."""

import json

import numpy as np
import pytest

from tigerlite.config import InputError
from tigerlite.recommenders.baselines.popularity import Popularity
from tigerlite.recommenders.saved import load_recommender


def test_the_kind_that_was_saved_comes_back(tmp_path):
    Popularity(np.array([0, 3, 1])).save(tmp_path)
    loaded = load_recommender(tmp_path)
    assert isinstance(loaded, Popularity)
    assert loaded.fingerprint == Popularity(np.array([0, 3, 1])).fingerprint


def test_an_empty_folder_and_an_unknown_kind_are_one_line(tmp_path):
    with pytest.raises(InputError, match="holds no trained model"):
        load_recommender(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"kind": "oracle"}))
    with pytest.raises(InputError, match="kind 'oracle'; this version knows tiger"):
        load_recommender(tmp_path)
