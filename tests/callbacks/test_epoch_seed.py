"""Epoch seeds: distinct for every (seed, epoch, rank), and a reseeded epoch repeats itself."""

from types import SimpleNamespace

import torch

from tigerlite.callbacks.epoch_seed import EpochSeed, epoch_seed


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
