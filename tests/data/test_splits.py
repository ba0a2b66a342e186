"""Splits against slow twins and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.sequences import global_time as slow_global_time
from tests.reference.sequences import leave_one_out as slow_leave_one_out
from tigerlite.config import ConfigError, InputError
from tigerlite.data.splits import Split, SplitConfig, global_time, leave_one_out, split_interactions

HISTORIES = st.lists(st.lists(st.integers(1, 9), max_size=7), min_size=1, max_size=8)


def samples(split: Split, items: np.ndarray, offsets: np.ndarray) -> dict:
    """(user, history, target) of every sample, read off the positions."""
    found = {"train": []}
    for user, start in enumerate(offsets[:-1]):
        for position in range(start + 1, split.train_ends[user]):
            found["train"].append((user, items[start:position].tolist(), items[position]))
    for name, rows in (("validation", split.validation), ("test", split.test)):
        found[name] = [(user, items[offsets[user] : place].tolist(), items[place]) for user, place in rows]
    return found


def flatten(histories: list[list]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.concatenate([[0], np.cumsum([len(history) for history in histories])]).astype(np.int64)
    return np.array([item for history in histories for item in history], dtype=np.int64), offsets


@settings(deadline=None, max_examples=60)
@given(histories=HISTORIES)
def test_leave_one_out_equals_the_slow_twin(histories):
    items, offsets = flatten(histories)
    assert samples(leave_one_out(offsets), items, offsets) == slow_leave_one_out(histories)


@settings(deadline=None, max_examples=60)
@given(histories=HISTORIES, cuts=st.tuples(st.integers(0, 10), st.integers(1, 5)), seed=st.integers(0, 99))
def test_global_time_equals_the_slow_twin(histories, cuts, seed):
    items, offsets = flatten(histories)
    generator = np.random.default_rng(seed)
    timed = [sorted(generator.integers(0, 12, len(history)).tolist()) for history in histories]
    start, end = cuts[0], cuts[0] + cuts[1]
    split = global_time(offsets, flatten(timed)[0], start, end)
    events = [list(zip(times, history, strict=True)) for times, history in zip(timed, histories, strict=True)]
    assert samples(split, items, offsets) == slow_global_time(events, start, end)


def test_users_with_two_interactions_only_train():
    split = leave_one_out(np.array([0, 2, 5]))
    assert split.train_ends.tolist() == [2, 3]
    assert split.validation.tolist() == [[1, 3]]
    assert split.test.tolist() == [[1, 4]]


def test_global_time_never_trains_on_or_after_the_validation_time():
    times = np.array([1, 5, 10, 20, 2, 10, 15, 30, 40])
    split = global_time(np.array([0, 4, 9]), times, 10, 20)
    assert split.train_ends.tolist() == [2, 5]
    assert times[split.validation[:, 1]].tolist() == [10, 10]
    assert times[split.test[:, 1]].tolist() == [20, 30]


def test_fractions_cut_at_the_times_that_hold_these_shares():
    times = np.arange(100)
    offsets = np.array([0, 100])
    split = split_interactions(offsets, times, SplitConfig(method="global_time", test_fraction=0.2))
    assert split.train_ends.tolist() == [70]
    assert split.test.tolist() == [[0, 80]]


def test_given_times_cut_where_they_say():
    config = SplitConfig(method="global_time", validation_time="1970-01-01T00:01:00", test_time="90")
    split = split_interactions(np.array([0, 100]), np.arange(100), config)
    assert split.validation.tolist() == [[0, 60]]
    assert split.test.tolist() == [[0, 90]]


def test_a_split_with_an_empty_part_is_refused():
    with pytest.raises(InputError, match="the validation part is empty: leave_one_out needs users with at least 3"):
        split_interactions(np.array([0, 2, 4]), None, SplitConfig())
    with pytest.raises(InputError, match="the training part is empty"):
        split_interactions(np.array([0, 3, 6]), None, SplitConfig())
    config = SplitConfig(method="global_time", validation_time="5", test_time="9")
    with pytest.raises(
        InputError, match="the test part is empty: global_time was cut at 5 and 9, the data span 0 to 7"
    ):
        split_interactions(np.array([0, 8]), np.arange(8), config)


def test_global_time_without_times_is_refused():
    with pytest.raises(InputError, match="method=global_time needs times, and this data set has none"):
        split_interactions(np.array([0, 9]), None, SplitConfig(method="global_time"))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"method": "random"}, "method='random' is unknown; allowed: leave_one_out, global_time"),
        ({"test_fraction": 0.0}, r"test_fraction=0\.0 is out of range; allowed: a number between 0 and 1"),
        ({"test_fraction": 0.5, "validation_fraction": 0.5}, "less than 1 together with validation_fraction"),
        ({"test_time": "5"}, "set together with validation_time"),
        ({"validation_time": "9", "test_time": "5"}, "a time after validation_time=9"),
    ],
)
def test_a_config_out_of_range_is_refused(setting, message):
    with pytest.raises(ConfigError, match=message):
        SplitConfig(**setting)
