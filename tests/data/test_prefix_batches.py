"""All-prefix batches against the slow twin: every target once, the stated context, the same count on every process."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.prefix_chunks import prefix_targets
from tigerlite.config import InputError
from tigerlite.data.datamodule import SequenceDataModule
from tigerlite.data.dataset import RecDataset
from tigerlite.data.prefix_batches import PrefixBatch, gather_prefix_batch, plan_chunks, plan_prefix_epoch
from tigerlite.data.splits import leave_one_out

HISTORIES = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=30), min_size=1, max_size=8)


def dataset_of(histories: list[list[int]]) -> RecDataset:
    offsets = np.concatenate([[0], np.cumsum([len(history) for history in histories])]).astype(np.int64)
    split = leave_one_out(offsets)
    names = [str(number) for number in range(9)]
    return RecDataset(
        items=np.array([item for history in histories for item in history], dtype=np.int32),
        offsets=offsets,
        train_ends=split.train_ends,
        validation=split.validation,
        test=split.test,
        user_ids=[str(number) for number in range(len(histories))],
        item_ids=names,
        titles=names,
    )


def random_dataset(n_users: int = 60) -> RecDataset:
    generator = np.random.default_rng(0)
    return dataset_of([generator.integers(1, 10, n).tolist() for n in generator.integers(1, 40, n_users)])


def training_parts(dataset: RecDataset) -> list[list[int]]:
    ends = zip(dataset.offsets[:-1], dataset.train_ends, strict=True)
    return [dataset.items[start:end].tolist() for start, end in ends]


def samples(batch: PrefixBatch) -> list[tuple[list[int], int]]:
    """(context, target) of every target of a batch."""
    found = []
    for row, first in zip(batch.sequences.tolist(), batch.first.tolist(), strict=True):
        items = [item for item in row if item]
        found += [(items[:place], items[place]) for place in range(first, len(items))]
    return found


def on_rank(dataset: RecDataset, rank: int, world: int, **changes) -> SequenceDataModule:
    module = SequenceDataModule(dataset, **{"batch_size": 16, "max_history": 5, "all_prefixes": True, **changes})
    fresh = SimpleNamespace(restarted_mid_epoch=False, batch_idx=-1)
    module.trainer = SimpleNamespace(global_rank=rank, world_size=world, current_epoch=2, fit_loop=fresh)
    return module


@settings(deadline=None, max_examples=80)
@given(histories=HISTORIES, max_history=st.integers(1, 9))
def test_chunks_hold_every_training_target_once_with_the_stated_context(histories, max_history):
    dataset = dataset_of(histories)
    chunks = plan_chunks(dataset, max_history)
    expected = [(context, target) for _, context, target in prefix_targets(training_parts(dataset), max_history)]
    if not expected:
        assert len(chunks) == 0
        return
    batch = gather_prefix_batch(torch.from_numpy(dataset.items), torch.from_numpy(chunks), len(expected))
    assert samples(batch) == expected
    assert batch.sequences.shape[1] <= max_history + 1
    assert batch.sequences.dtype == batch.first.dtype == torch.int64
    assert (batch.first >= 1).all()


@settings(deadline=None, max_examples=80)
@given(
    histories=st.lists(st.integers(4, 30), min_size=3, max_size=30),
    batch_size=st.integers(1, 40),
    world=st.integers(1, 3),
)
def test_every_epoch_has_as_many_batches_and_each_a_chunk_for_every_process(histories, batch_size, world):
    chunks = plan_chunks(dataset_of([[1] * length for length in histories]), max_history=6)
    n_targets = chunks[:, 1] - chunks[:, 2]
    expected = min(-(-n_targets.sum() // batch_size), len(chunks) // world)
    for epoch in range(3):
        plan = plan_prefix_epoch(chunks, batch_size=batch_size, seed=1, epoch=epoch, world=world)
        assert len(plan) == expected
        assert sorted(np.concatenate(plan).tolist()) == list(range(len(chunks)))
        assert min(map(len, plan)) >= world


def test_batches_have_about_equally_many_targets_and_little_padding():
    dataset = random_dataset(2000)
    chunks = plan_chunks(dataset, 20)
    n_targets = chunks[:, 1] - chunks[:, 2]
    plan = plan_prefix_epoch(chunks, batch_size=256, seed=0, epoch=0)
    sizes = [n_targets[batch].sum() for batch in plan]
    assert max(sizes) - min(sizes) <= 2 * n_targets.max()
    read, first, end = chunks[:, 1] - chunks[:, 0] - 1, chunks[:, 2] - chunks[:, 0], chunks[:, 1] - chunks[:, 0]
    encoded = sum(len(batch) * read[batch].max() for batch in plan)
    decoded = sum(len(batch) * (end[batch].max() - first[batch].min()) for batch in plan)
    assert 1 - read.sum() / encoded <= 0.06
    assert 1 - n_targets.sum() / decoded <= 0.08


def test_the_order_is_a_function_of_seed_and_epoch():
    chunks = plan_chunks(random_dataset(), 5)

    def order(seed: int, epoch: int) -> tuple:
        plan = plan_prefix_epoch(chunks, batch_size=16, seed=seed, epoch=epoch)
        return tuple(map(tuple, plan))

    assert order(0, 1) == order(0, 1)
    assert len({order(0, 0), order(0, 1), order(1, 0), order(1, 1)}) == 4


def test_two_processes_share_every_batch_and_count_its_targets_together():
    dataset = random_dataset()
    alone = on_rank(dataset, 0, 1).train_dataloader()
    loaders = [on_rank(dataset, rank, 2).train_dataloader() for rank in range(2)]
    shares = [list(loader) for loader in loaders]
    assert len(loaders[0]) == len(loaders[1]) == len(shares[0]) == len(shares[1])
    together = sorted(sample for share in shares for batch in share for sample in samples(batch))
    assert together == sorted(sample for batch in alone for sample in samples(batch))
    for first, second in zip(*shares, strict=True):
        assert first.n_targets == second.n_targets == (len(samples(first)) + len(samples(second))) / 2


def test_the_passes_of_a_step_hold_what_as_many_processes_would_hold():
    dataset = random_dataset()
    shares = [list(on_rank(dataset, rank, 4).train_dataloader()) for rank in range(4)]
    loader = on_rank(dataset, 1, 2, accumulate=2).train_dataloader()
    passes = list(loader)
    assert len(passes) == len(loader) == 2 * len(shares[0])
    for number in range(2):
        for ours, theirs in zip(passes[number::2], shares[2 * number + 1], strict=True):
            assert samples(ours) == samples(theirs)
            assert ours.n_targets == theirs.n_targets


def test_the_loaders_length_holds_in_every_epoch():
    module = on_rank(random_dataset(), 0, 1)
    loader = module.train_dataloader()
    for epoch in range(5):
        module.trainer.current_epoch = epoch
        assert len(list(loader)) == len(loader) == -(-len(module.train_rows) // 16)


def test_fewer_sequences_than_processes_are_refused():
    dataset = dataset_of([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]])
    with pytest.raises(InputError, match="2 training sequences are too few for 4 processes; use fewer"):
        on_rank(dataset, 0, 4).train_dataloader()
