"""Samples and batches against the slow twin."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.sequences import leave_one_out as slow_leave_one_out
from tests.reference.sequences import pad
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import (
    gather_batch,
    history_lengths,
    most_recent,
    row_batches,
    training_items,
    training_positions,
)
from tigerlite.data.splits import leave_one_out

HISTORIES = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=9), min_size=1, max_size=8)


def dataset_of(histories: list[list[int]]) -> RecDataset:
    offsets = np.concatenate([[0], np.cumsum([len(history) for history in histories])]).astype(np.int64)
    split = leave_one_out(offsets)
    return RecDataset(
        items=np.array([item for history in histories for item in history], dtype=np.int32),
        offsets=offsets,
        train_ends=split.train_ends,
        validation=split.validation,
        test=split.test,
        user_ids=[f"u{number}" for number in range(len(histories))],
        item_ids=[f"i{number}" for number in range(1, 10)],
        titles=[f"title {number}" for number in range(1, 10)],
    )


@settings(deadline=None, max_examples=60)
@given(histories=HISTORIES, max_history=st.integers(1, 5))
def test_batches_of_every_split_equal_the_slow_twin(histories, max_history):
    dataset = dataset_of(histories)
    expected = slow_leave_one_out(histories)
    rows = {"train": training_positions(dataset), "validation": dataset.validation, "test": dataset.test}
    for name, samples in expected.items():
        batch = gather_batch(
            torch.from_numpy(dataset.items),
            torch.from_numpy(dataset.offsets),
            torch.from_numpy(rows[name]),
            max_history,
        )
        assert batch.users.tolist() == [user for user, _, _ in samples]
        assert batch.targets.tolist() == [target for _, _, target in samples]
        assert batch.histories.tolist() == pad([history for _, history, _ in samples], max_history)
        assert batch.histories.dtype == batch.targets.dtype == batch.users.dtype == torch.int64
        lengths = history_lengths(dataset, rows[name], max_history)
        assert lengths.tolist() == [min(len(history), max_history) for _, history, _ in samples]


def test_an_empty_history_is_one_place_of_padding():
    batch = gather_batch(torch.tensor([4, 5]), torch.tensor([0, 1, 2]), torch.tensor([[1, 1]]), 20)
    assert batch.histories.tolist() == [[0]]
    assert batch.targets.tolist() == [5]


def test_row_batches_keep_the_order_of_the_rows():
    dataset = dataset_of([[1, 2, 3, 4], [5, 6, 7, 8, 9], [3, 2, 1]])
    rows = np.array([[2, 11], [0, 3], [1, 8]])
    batches = list(row_batches(dataset, rows, batch_size=2, max_history=2))
    assert [batch.targets.tolist() for batch in batches] == [[1, 4], [9]]
    assert [batch.histories.tolist() for batch in batches] == [[[3, 2], [2, 3]], [[7, 8]]]


@settings(deadline=None, max_examples=40)
@given(histories=HISTORIES)
def test_training_items_are_the_training_parts_one_after_the_other(histories):
    dataset = dataset_of(histories)
    parts = [history[:-2] if len(history) >= 3 else history for history in histories]
    assert training_items(dataset).tolist() == [item for part in parts for item in part]


def test_most_recent_shifts_long_rows_only():
    histories = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0], [0, 0, 0, 0]])
    assert most_recent(histories, 2).tolist() == [[3, 4], [5, 6], [0, 0]]
    assert most_recent(histories, 9) is histories


@settings(deadline=None, max_examples=40)
@given(histories=HISTORIES, n_items=st.integers(1, 9))
def test_most_recent_equals_cutting_every_history(histories, n_items):
    padded = torch.tensor(pad(histories, 9))
    cut = most_recent(padded, n_items)
    assert [[item for item in row if item] for row in cut.tolist()] == [history[-n_items:] for history in histories]
