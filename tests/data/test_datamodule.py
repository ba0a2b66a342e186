"""Epochs: every sample once, little padding, the same order for the same seed and epoch, equal shares for processes."""

from types import SimpleNamespace

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from tigerlite.config import InputError
from tigerlite.data.datamodule import SequenceDataModule
from tigerlite.data.dataset import RecDataset
from tigerlite.data.epoch_plan import n_batches, plan_epoch
from tigerlite.data.splits import leave_one_out


def dataset_of(lengths: np.ndarray, seed: int = 0) -> RecDataset:
    """Users with so many interactions over 50 items."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    split = leave_one_out(offsets)
    ids = [str(number) for number in range(50)]
    return RecDataset(
        items=np.random.default_rng(seed).integers(1, 51, offsets[-1]).astype(np.int32),
        offsets=offsets,
        train_ends=split.train_ends,
        validation=split.validation,
        test=split.test,
        user_ids=[str(number) for number in range(len(lengths))],
        item_ids=ids,
        titles=ids,
    )


@pytest.fixture(scope="module")
def dataset() -> RecDataset:
    return dataset_of(np.random.default_rng(1).integers(3, 40, 300))


def rows_of(batches) -> list[tuple]:
    """What identifies a sample in a batch: user, target, history."""
    return [
        (user, target, tuple(item for item in history if item))
        for batch in batches
        for user, target, history in zip(
            *[part.tolist() for part in (batch.users, batch.targets, batch.histories)], strict=True
        )
    ]


def on_rank(dataset: RecDataset, rank: int, world: int, **settings) -> SequenceDataModule:
    module = SequenceDataModule(dataset, **settings)
    fresh = SimpleNamespace(restarted_mid_epoch=False, batch_idx=-1)
    module.trainer = SimpleNamespace(global_rank=rank, world_size=world, current_epoch=3, fit_loop=fresh)
    return module


def test_an_epoch_holds_every_training_sample_once(dataset):
    module = SequenceDataModule(dataset, batch_size=64, max_history=20)
    loader = module.train_dataloader()
    expected = [
        (user, int(dataset.items[place]), tuple(dataset.items[dataset.offsets[user] : place][-20:].tolist()))
        for user in range(dataset.n_users)
        for place in range(dataset.offsets[user] + 1, dataset.train_ends[user])
    ]
    batches = list(loader)
    assert sorted(rows_of(batches)) == sorted(expected)
    assert len(loader) == len(batches) == n_batches(len(expected), 64)
    assert sorted(len(batch.targets) for batch in batches)[1:] == [64] * (len(batches) - 1)


def test_the_order_is_a_function_of_seed_and_epoch(dataset):
    def order(seed: int, epoch: int) -> list[tuple]:
        module = SequenceDataModule(dataset, batch_size=64, seed=seed)
        module.set_epoch(epoch)
        return rows_of(module.train_dataloader())

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(seed, epoch)) for seed, epoch in ((0, 0), (0, 1), (1, 0), (1, 1))}) == 4


def test_lengths_are_mixed_over_an_epoch_but_alike_in_a_batch(dataset):
    lengths = np.random.default_rng(0).integers(1, 21, 20_000)
    plan = plan_epoch(lengths, batch_size=50, seed=0, epoch=0)
    means = np.array([lengths[batch].mean() for batch in plan])
    assert np.mean([np.ptp(lengths[batch]) for batch in plan]) < 1.5
    # Sorted batches would correlate by about 1 with the next one.
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.2


def test_padding_waste_is_at_most_a_tenth_and_what_the_batches_hold():
    module = SequenceDataModule(
        dataset_of(np.random.default_rng(2).integers(3, 30, 2000)), batch_size=64, max_history=20
    )
    histories = [batch.histories for batch in module.train_dataloader()]
    padding = sum(int((history == 0).sum()) for history in histories)
    assert module.padding_waste() == pytest.approx(padding / sum(history.numel() for history in histories))
    assert module.padding_waste() <= 0.10


def test_processes_share_every_global_batch(dataset):
    settings = {"batch_size": 60, "seed": 5}
    alone = [rows_of([batch]) for batch in on_rank(dataset, 0, 1, **settings).train_dataloader()]
    loaders = [on_rank(dataset, rank, 3, **settings).train_dataloader() for rank in range(3)]
    shares = [[rows_of([batch]) for batch in loader] for loader in loaders]
    assert len({len(loader) for loader in loaders} | {len(share) for share in shares}) == 1
    full = [(one, parts) for one, *parts in zip(alone, *shares, strict=False) if len(one) == 60]
    assert len(full) >= len(alone) - 1
    # All processes compute the same plan, so a full batch is exactly divided (samples left out are fewer than 3).
    assert all(len(part) == 20 for _, parts in full for part in parts)
    together = {row for share in shares for batch in share for row in batch}
    assert len({row for batch in alone for row in batch} - together) < 3


def test_the_passes_of_a_step_hold_what_as_many_processes_would_hold(dataset):
    settings = {"batch_size": 60, "seed": 5}
    shares = [
        [rows_of([batch]) for batch in on_rank(dataset, rank, 6, **settings).train_dataloader()] for rank in range(6)
    ]
    for rank in range(2):
        loader = on_rank(dataset, rank, 2, accumulate=3, **settings).train_dataloader()
        passes = [rows_of([batch]) for batch in loader]
        assert len(passes) == len(loader) == 3 * len(shares[0])
        for number in range(3):
            assert passes[number::3] == shares[2 * number + rank]


def test_a_pass_that_goes_on_inside_an_epoch_begins_with_the_next_batch(dataset):
    module = on_rank(dataset, 0, 1, batch_size=60)
    whole = [rows_of([batch]) for batch in module.train_dataloader()]
    loader = module.train_dataloader()
    module.trainer.fit_loop = SimpleNamespace(restarted_mid_epoch=True, batch_idx=6)
    assert [rows_of([batch]) for batch in loader] == whole[7:]
    assert len(loader) == len(whole)
    module.trainer.fit_loop = SimpleNamespace(restarted_mid_epoch=False, batch_idx=len(whole) - 1)
    assert [rows_of([batch]) for batch in loader] == whole


@pytest.mark.parametrize("remainder", [0, 1, 2, 3, 59])
def test_every_process_gets_as_many_samples_whatever_the_remainder(remainder):
    plan = plan_epoch(np.ones(180 + remainder, dtype=int), batch_size=60, seed=0, epoch=0, world=3)
    assert len(plan) == n_batches(180 + remainder, 60, 3)
    assert all(len(batch) % 3 == 0 and len(batch) for batch in plan)
    assert sum(len(batch) for batch in plan) == 180 + remainder - remainder % 3


def test_validation_is_shared_without_repeats(dataset):
    rows = [rows_of(on_rank(dataset, rank, 4, batch_size=32).val_dataloader()) for rank in range(4)]
    assert len({len(on_rank(dataset, rank, 4, batch_size=32).val_dataloader()) for rank in range(4)}) == 1
    users = [user for part in rows for user, _, _ in part]
    assert sorted(users) == list(range(dataset.n_users))


def test_validation_users_are_a_seeded_choice(dataset):
    def users(seed: int, count: int | None) -> list[int]:
        module = SequenceDataModule(dataset, batch_size=32, seed=seed, n_validation_users=count)
        return sorted(user for user, _, _ in rows_of(module.val_dataloader()))

    assert len(set(users(0, 40))) == 40
    assert users(0, 40) == users(0, 40) != users(1, 40)
    assert users(0, 10_000) == users(0, None) == list(range(dataset.n_users))


def test_test_batches_are_all_test_rows_in_order(dataset):
    module = on_rank(dataset, 1, 2, batch_size=32, max_history=7)
    batches = list(module.test_batches(100))
    assert [len(batch.targets) for batch in batches] == [100, 100, 100]
    assert rows_of(batches) == [
        (user, int(dataset.items[place]), tuple(dataset.items[dataset.offsets[user] : place][-7:].tolist()))
        for user, place in dataset.test
    ]


class Recorder(pl.LightningModule):
    """Remembers what it was trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[list[tuple]] = []

    def on_train_epoch_start(self) -> None:
        self.seen.append([])

    def training_step(self, batch, index):
        self.seen[-1] += rows_of([batch])
        return self.weight * 0

    def validation_step(self, batch, index):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(dataset: RecDataset, folder, epochs: int, checkpoint: str | None = None) -> list[list[tuple]]:
    model = Recorder()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        callbacks=[ModelCheckpoint(folder, filename="last", enable_version_counter=False)],
        **quiet,
    )
    trainer.fit(model, SequenceDataModule(dataset, batch_size=512), ckpt_path=checkpoint)
    return model.seen


@pytest.mark.filterwarnings("ignore:Checkpoint directory")  # the run goes on in its own folder
def test_a_resumed_run_sees_what_an_uninterrupted_one_sees(dataset, tmp_path):
    whole = fit(dataset, tmp_path / "whole", 3)
    first = fit(dataset, tmp_path / "part", 1)
    second = fit(dataset, tmp_path / "part", 3, checkpoint=str(tmp_path / "part" / "last.ckpt"))
    assert whole == first + second
    assert whole[0] != whole[1] != whole[2]


@pytest.mark.parametrize(
    ("settings", "world", "message"),
    [
        ({"batch_size": 0}, 1, "batch_size=0 and max_history=20 must be integers >= 1"),
        ({"batch_size": 2, "max_history": 0}, 1, "max_history=0 must be integers >= 1"),
        ({"batch_size": 7}, 2, "batch_size=7 must be a multiple of the 2 processes"),
        ({"batch_size": 20_000}, 20_000, "training samples are too few for 20000 processes"),
        ({"batch_size": 8, "accumulate": 0}, 1, "accumulate=0 must be an integer >= 1"),
        (
            {"batch_size": 8, "accumulate": 3},
            2,
            "batch_size=8 must be a multiple of the 2 processes x 3 passes per step",
        ),
        ({"batch_size": 9_000, "accumulate": 9_000}, 1, "too few for 1 processes x 9000 passes per step; use fewer"),
    ],
)
def test_batches_that_cannot_be_made_are_refused(dataset, settings, world, message):
    with pytest.raises(InputError, match=message):
        on_rank(dataset, 0, world, **settings).train_dataloader()


@pytest.mark.parametrize(("world", "accumulate"), [(1, 2), (2, 1)])
def test_an_unfinished_epoch_is_not_continued_with_another_split(dataset, world, accumulate):
    before = on_rank(dataset, 0, 2, batch_size=60, accumulate=2)
    before.trainer.num_training_batches = 100
    before.trainer.fit_loop.batch_idx = 5
    state = before.state_dict()
    on_rank(dataset, 1, 2, batch_size=60, accumulate=2).load_state_dict(state)
    after = on_rank(dataset, 0, world, batch_size=60, accumulate=accumulate)
    message = (
        rf"inside an epoch with 2 processes x 2 passes per step, but there are {world} x {accumulate}; continue with"
    )
    with pytest.raises(InputError, match=message):
        after.load_state_dict(state)
    before.trainer.fit_loop.batch_idx = 99
    after.load_state_dict(before.state_dict())  # a whole epoch may be followed by any split


def test_too_few_validation_users_for_the_processes_are_refused(dataset):
    with pytest.raises(InputError, match="2 validation users are too few for 3 processes"):
        on_rank(dataset, 0, 3, batch_size=3, n_validation_users=2).val_dataloader()


def test_a_data_set_without_training_samples_is_refused():
    with pytest.raises(InputError, match="no training sample; users need 2 interactions in their training part"):
        SequenceDataModule(dataset_of(np.array([3, 3])), batch_size=2)
