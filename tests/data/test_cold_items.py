"""Cold items: never in training or a history, everything else in place, and settings that leave nothing are refused."""

import numpy as np
import pytest

from tigerlite.config import ConfigError, InputError, fingerprint
from tigerlite.data.cold_items import ColdConfig, choose_cold, hold_out
from tigerlite.data.splits import global_time, leave_one_out
from tigerlite.stages.prepare import PrepareConfig

SEQUENCES = [[1, 2, 3, 4, 5], [2, 5, 5, 1, 3, 2], [4, 5, 1], [3, 1], [5, 5, 1, 5]]


def arrays(sequences=SEQUENCES):
    offsets = np.concatenate([[0], np.cumsum([len(sequence) for sequence in sequences])]).astype(np.int64)
    return np.concatenate(sequences).astype(np.int32), offsets


def cold(*items: int) -> np.ndarray:
    return np.isin(np.arange(6), items)


def slow(sequences, cold_items):
    """Per user: training items, validation (history, target) or None, test likewise."""
    found = []
    for sequence in sequences:
        if len(sequence) < 3:
            found.append(([item for item in sequence if item not in cold_items], None, None))
            continue
        *train, validation, test = sequence
        train = [item for item in train if item not in cold_items]
        kept = [] if validation in cold_items else [validation]
        found.append((train, (train, validation) if kept and train else None, ([*train, *kept], test)))
    return [(train, valid, test if test and test[0] else None) for train, valid, test in found]


@pytest.mark.parametrize("items", [(5,), (2,), (3, 5), (5, 4)])
def test_holding_out_equals_going_through_one_sequence_at_a_time(items):
    events, offsets = arrays()
    found = hold_out(events, offsets, None, leave_one_out(offsets), cold(*items))

    def targets(rows):
        return {
            int(user): (found.items[found.offsets[user] : place].tolist(), int(found.items[place]))
            for user, place in rows
        }

    validation, test = targets(found.split.validation), targets(found.split.test)
    for user, (train, expected_validation, expected_test) in enumerate(slow(SEQUENCES, items)):
        assert found.items[found.offsets[user] : found.split.train_ends[user]].tolist() == train
        assert validation.get(user) == expected_validation
        assert test.get(user) == expected_test


def test_times_stay_with_their_events_under_a_global_split():
    events, offsets = arrays()
    times = 10 * np.concatenate([np.arange(len(sequence)) for sequence in SEQUENCES])
    found = hold_out(events, offsets, times, global_time(offsets, times, 20, 40), cold(3))
    for user, sequence in enumerate(SEQUENCES):
        own = slice(found.offsets[user], found.offsets[user + 1])
        assert [sequence[time // 10] for time in found.times[own]] == found.items[own].tolist()
    assert [(user, found.items[place], found.times[place]) for user, place in found.split.test] == [
        (0, 5, 40),
        (1, 3, 40),
    ]
    assert found.items[: found.offsets[1]].tolist() == [1, 2, 4, 5]  # 3 was the validation target


def test_nothing_cold_changes_nothing_else():
    events, offsets = arrays()
    split = leave_one_out(offsets)
    found = hold_out(events, offsets, None, split, cold(2))
    rows = {tuple(row) for row in split.test.tolist()}
    assert {int(user) for user, _ in found.split.test} == {user for user, _ in rows}
    assert len(found.offsets) == len(offsets)


def test_a_share_draws_that_many_items_by_seed():
    ids = [f"i{number}" for number in range(200)]
    drawn = choose_cold(ColdConfig(share=0.1), ids)
    assert (drawn.sum(), drawn[0], len(drawn)) == (20, False, 201)
    assert (choose_cold(ColdConfig(share=0.1), ids) == drawn).all()
    assert (choose_cold(ColdConfig(share=0.1, seed=1), ids) != drawn).any()
    assert choose_cold(ColdConfig(share=1e-6), ids).sum() == 1
    assert not choose_cold(ColdConfig(), ids).any()


def test_a_list_names_items():
    assert choose_cold(ColdConfig(items=("b", "d")), list("abcd")).tolist() == [False, False, True, False, True]
    with pytest.raises(InputError, match="prepare.cold.items names 'z', which is no item of the data set"):
        choose_cold(ColdConfig(items=("z", "a")), list("abcd"))


def test_what_leaves_nothing_is_refused():
    events, offsets = arrays([[1, 2, 3, 1], [3, 2, 1, 1]])
    split = leave_one_out(offsets)
    with pytest.raises(InputError, match="none of the 1 cold items is a test target"):
        hold_out(events, offsets, None, split, cold(2))
    with pytest.raises(InputError, match="2 cold items leave nothing to train or validate on"):
        hold_out(*arrays([[1, 2, 2, 3, 1], [2, 3, 3, 1]]), None, leave_one_out(np.array([0, 5, 9])), cold(1, 2))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"share": 1.0}, "share=1.0 is out of range"),
        ({"seed": -1}, "seed=-1 is out of range"),
        ({"share": 0.1, "items": ("a",)}, "both name cold items; drop one"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        ColdConfig(**settings)


def test_without_cold_items_the_section_names_no_other_result():
    plain = fingerprint(PrepareConfig())
    assert fingerprint(PrepareConfig(cold=ColdConfig(seed=3))) == plain
    assert fingerprint(PrepareConfig(cold=ColdConfig(share=0.1))) != plain
    by_name = ColdConfig(items=("a",))
    assert (
        fingerprint(by_name) == fingerprint(ColdConfig(items=("a",), seed=7)) != fingerprint(ColdConfig(items=("b",)))
    )
