"""Times reach the network that reads them, in training, validation and use; wrong ones are one line."""

import numpy as np
import pytest
import torch

from tigerlite.config import InputError
from tigerlite.data.datamodule import SequenceDataModule
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import row_batches
from tigerlite.recommenders.nextitem import NextItem

N_ITEMS = 6
HISTORIES = torch.tensor([[3, 1, 4], [5, 2, 0]])
TIMES = torch.tensor([[10, 10, 5000], [7, 9, 0]])


def model(*, time_bias: bool = True) -> NextItem:
    torch.manual_seed(0)
    sizes = {"d_model": 8, "dropout": 0.0, "time_bias": time_bias}
    built = NextItem({"network": "hstu", "hstu": sizes, "max_history": 3}, torch.arange(N_ITEMS + 1))
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return built.eval()


def dataset(times: np.ndarray | None) -> RecDataset:
    return RecDataset(
        items=np.array([3, 1, 4, 1, 5, 2, 6, 5], dtype=np.int32),
        offsets=np.array([0, 5, 8]),
        times=times,
        train_ends=np.array([4, 7]),
        validation=np.array([[0, 4], [1, 7]]),
        test=np.array([[0, 4], [1, 7]]),
        user_ids=["a", "b"],
        item_ids=[str(item) for item in range(1, N_ITEMS + 1)],
        titles=[""] * N_ITEMS,
    )


def test_answers_follow_the_times_of_the_items_that_are_read():
    built = model()
    with_times = built.recommend(HISTORIES, 4, TIMES)
    assert not torch.allclose(with_times.scores, built.recommend(HISTORIES, 4).scores)
    longer = built.recommend(torch.tensor([[6, 6, 3, 1, 4]]), 4, torch.tensor([[1, 2, 10, 10, 5000]]))
    torch.testing.assert_close(longer.scores, with_times.scores[:1])
    states = built.network(HISTORIES, TIMES)
    torch.testing.assert_close(built.history_states(HISTORIES, TIMES), torch.stack([states[0, 2], states[1, 1]]))


def test_a_model_without_time_bias_ignores_times_even_wrong_ones():
    built = model(time_bias=False)
    torch.testing.assert_close(built.recommend(HISTORIES, 4, TIMES.flip(1)), built.recommend(HISTORIES, 4))


def test_times_out_of_order_and_of_another_shape_are_one_line():
    built = model()
    with pytest.raises(InputError, match="the times of history 2 fall from 9 to 7; give histories oldest first"):
        built.recommend(HISTORIES, 4, torch.tensor([[10, 10, 5000], [9, 7, 0]]))
    with pytest.raises(InputError, match=r"times have shape \(1, 3\) but the histories \(2, 3\)"):
        built.recommend(HISTORIES, 4, TIMES[:1])


def test_batches_hold_times_where_they_are_asked_for_and_there():
    times = np.arange(10, 18)
    data = SequenceDataModule(dataset(times), batch_size=8, max_history=3, all_prefixes=True, with_times=True)
    (batch,) = data.train_dataloader()
    rows = {
        tuple(row): tuple(moments) for row, moments in zip(batch.sequences.tolist(), batch.times.tolist(), strict=True)
    }
    assert rows == {(3, 1, 4, 1): (10, 11, 12, 13), (2, 6, 0, 0): (15, 16, 0, 0)}
    (batch,) = data.val_dataloader()
    assert sorted(batch.times.tolist()) == [[10, 11, 12, 13], [15, 16, 0, 0]]
    for plain in (
        SequenceDataModule(dataset(times), batch_size=8, max_history=3, all_prefixes=True),
        SequenceDataModule(dataset(None), batch_size=8, max_history=3, all_prefixes=True, with_times=True),
    ):
        assert next(iter(plain.train_dataloader())).times is None
        assert next(iter(plain.val_dataloader())).times is None
    (batch,) = row_batches(dataset(times), dataset(times).test, batch_size=4, max_history=2)
    assert batch.times.tolist() == [[12, 13], [15, 16]]


def test_training_losses_follow_the_times():
    built = model()
    losses = []
    for moments in (np.arange(8), np.arange(8) * 10_000):
        data = SequenceDataModule(dataset(moments), batch_size=8, max_history=3, all_prefixes=True, with_times=True)
        (batch,) = data.train_dataloader()
        losses.append(built.training_losses(batch))
    assert len(losses[0]) == 4
    assert not torch.allclose(*losses)
