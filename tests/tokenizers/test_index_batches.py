"""Batches of row numbers: every row once, a pure function of seed and epoch, shared out over processes."""

from itertools import chain

import pytest
import torch

from tigerlite.tokenizers import index_batches
from tigerlite.tokenizers.index_batches import IndexBatches, seeded_generator


def as_lists(batches):
    return [batch.tolist() for batch in batches]


def test_an_epoch_visits_every_row_once_in_batches_of_nearly_equal_size():
    rows = torch.arange(100, 123)
    batches = as_lists(IndexBatches(rows, 5, seed=0))
    assert sorted(chain(*batches)) == rows.tolist()
    assert {len(batch) for batch in batches} == {4, 5}
    assert len(batches) == len(IndexBatches(rows, 5, seed=0)) == 5


def test_the_order_is_a_function_of_seed_and_epoch():
    rows = torch.arange(40)

    def order(seed, epoch):
        return as_lists(IndexBatches(rows, 40, seed=seed, epoch=lambda: epoch))

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_the_epoch_is_read_at_every_pass():
    epochs = iter([0, 1, 0])
    batches = IndexBatches(torch.arange(40), 40, seed=0, epoch=lambda: next(epochs))
    first, second, third = (as_lists(batches) for _ in range(3))
    assert first == third != second


def test_processes_share_every_batch(monkeypatch):
    rows = torch.arange(50)
    alone = as_lists(IndexBatches(rows, 16, seed=3))
    monkeypatch.setattr(index_batches, "world_size", lambda: 3)
    shares = []
    for rank in range(3):
        monkeypatch.setattr(index_batches, "rank", lambda rank=rank: rank)
        shares.append(as_lists(IndexBatches(rows, 16, seed=3)))
    assert [list(chain(*parts)) for parts in zip(*shares, strict=True)] == alone


def test_validation_keeps_the_order_and_gives_every_process_everything(monkeypatch):
    monkeypatch.setattr(index_batches, "world_size", lambda: 2)
    assert as_lists(IndexBatches(torch.arange(5), 3, seed=None)) == [[0, 1, 2], [3, 4]]


@pytest.mark.parametrize("other", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_generators_differ_in_every_argument(other):
    def numbers(*arguments):
        return torch.rand(4, generator=seeded_generator(*arguments)).tolist()

    assert numbers(0, 0, 0) == numbers(0, 0, 0)
    assert numbers(0, 0, 0) != numbers(*other)
