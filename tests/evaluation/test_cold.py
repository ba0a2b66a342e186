"""The cold slice: the users of never-trained targets, no others."""

import numpy as np
import pytest

from tigerlite.evaluation.cold import cold_slice
from tigerlite.evaluation.ranking import summarise


def test_the_slice_equals_the_metrics_of_its_users():
    generator = np.random.default_rng(0)
    targets, counts = generator.integers(1, 31, 200), generator.integers(0, 3, 31)
    ranks = {name: generator.integers(0, 21, 200) for name in ("tiger", "itemknn")}
    found = cold_slice(ranks, targets, counts)
    chosen = [place for place, target in enumerate(targets) if counts[target] == 0]
    assert found.n_users == len(chosen)
    assert found.n_items == len({targets[place] for place in chosen})
    for name in ranks:
        assert found.metrics[name] == pytest.approx(summarise(ranks[name][chosen]))


def test_without_cold_targets_there_is_none():
    assert cold_slice({"tiger": np.array([1])}, np.array([1]), np.array([0, 4])) is None
