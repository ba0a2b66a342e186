"""Epoch seeds: distinct for every (seed, epoch, rank), and a reseeded epoch repeats itself."""

from types import SimpleNamespace

import pytest
import torch

from tigerlite.callbacks.epoch_seed import STATES, EpochSeed, epoch_seed


def test_neighbouring_seeds_epochs_and_ranks_give_distinct_seeds():
    seeds = {epoch_seed(seed, epoch, rank) for seed in range(10) for epoch in range(50) for rank in range(8)}
    assert len(seeds) == 10 * 50 * 8
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_every_bit_of_the_seed_is_used():
    # Half of 4,000 seeds should have any given bit set, 95 % of the time within 1,937..2,063.
    seeds = [epoch_seed(0, epoch, rank) for epoch in range(1000) for rank in range(4)]
    for bit in range(63):
        assert 1800 < sum(seed >> bit & 1 for seed in seeds) < 2200


def draw(epoch: int, *, seed: int = 0, rank: int = 0) -> list[float]:
    EpochSeed(seed).on_train_epoch_start(SimpleNamespace(current_epoch=epoch, global_rank=rank), None)
    return torch.rand(3).tolist()


def test_an_epoch_draws_the_same_numbers_whatever_was_drawn_before():
    expected = draw(7)
    torch.rand(100)
    assert draw(7) == expected
    assert draw(8) != expected


def test_processes_and_seeds_draw_different_numbers():
    assert len({tuple(draw(0, seed=seed, rank=rank)) for seed in (0, 1) for rank in (0, 1)}) == 4


CPU = SimpleNamespace(device=torch.device("cpu"))


def stopped(rank: int) -> tuple[torch.Tensor, list[float]]:
    """The state of a rank's stream at some point, and the numbers that come next."""
    torch.manual_seed(epoch_seed(0, 5, rank))
    torch.rand(10 + rank)
    checkpoint = {}
    EpochSeed(0).on_save_checkpoint(SimpleNamespace(), CPU, checkpoint)
    return checkpoint[STATES], torch.rand(3).tolist()


@pytest.mark.parametrize("inside", [True, False])
def test_every_rank_draws_on_where_it_stopped_inside_an_epoch_and_not_after_one(inside):
    states, expected = zip(*[stopped(rank) for rank in range(2)], strict=True)
    for rank in range(2):
        callback = EpochSeed(0)
        trainer = SimpleNamespace(global_rank=rank, fit_loop=SimpleNamespace(restarted_mid_epoch=inside))
        callback.on_load_checkpoint(trainer, CPU, {STATES: torch.cat(states)})
        torch.manual_seed(77)
        callback.on_train_start(trainer, CPU)
        assert (torch.rand(3).tolist() == expected[rank]) is inside


def test_a_checkpoint_without_streams_is_accepted():
    callback = EpochSeed(0)
    trainer = SimpleNamespace(global_rank=0, fit_loop=SimpleNamespace(restarted_mid_epoch=True))
    callback.on_load_checkpoint(trainer, CPU, {})
    torch.manual_seed(3)
    expected = torch.rand(3).tolist()
    torch.manual_seed(3)
    callback.on_train_start(trainer, CPU)
    assert torch.rand(3).tolist() == expected
