"""Masks follow from seed, epoch and sequence alone, and are as many as asked for."""

import pytest
import torch

from tigerlite.recommenders.baselines.masking import cloze_mask, hashed_uniform, segments, with_mask_after

SEQUENCES = torch.randint(1, 100, (400, 10), generator=torch.Generator().manual_seed(0))


def test_numbers_are_uniform_and_unrelated_between_places_epochs_and_seeds():
    drawn = torch.stack([hashed_uniform(SEQUENCES, *pair) for pair in [(0, 0), (0, 1), (1, 0)]])
    drawn = torch.cat([drawn, hashed_uniform(SEQUENCES, 0, 0, stream=1)[None]])
    assert ((drawn >= 0) & (drawn < 1)).all()
    torch.testing.assert_close(
        drawn.quantile(torch.tensor([0.1, 0.5, 0.9]).double()),
        torch.tensor([0.1, 0.5, 0.9]).double(),
        atol=0.02,
        rtol=0,
    )
    # 4 draws x 10 places as variables: correlations of 400 samples have a standard deviation of .05.
    correlations = torch.corrcoef(drawn.permute(0, 2, 1).reshape(40, -1)) - torch.eye(40)
    assert correlations.abs().max() < 0.25


def test_a_row_has_the_same_numbers_in_any_batch_and_padding():
    whole = hashed_uniform(SEQUENCES, 3, 4)
    padded = torch.nn.functional.pad(SEQUENCES[5:7], (0, 3))
    assert torch.equal(hashed_uniform(padded, 3, 4)[:, :10], whole[5:7])


@pytest.mark.parametrize(
    ("length", "share", "expected"), [(10, 0.2, 2), (10, 0.6, 6), (2, 0.2, 1), (1, 0.2, 1), (6, 0.25, 2)]
)
def test_as_many_items_are_masked_as_the_share_says_at_least_one(length, share, expected):
    sequences = torch.nn.functional.pad(SEQUENCES[:, :length], (0, 2))
    mask = cloze_mask(sequences, share=share, last_share=0.0, seed=0, epoch=0)
    assert (mask.sum(dim=1) == expected).all()
    assert not mask[:, length:].any()


def test_every_place_is_masked_about_equally_often_and_another_epoch_masks_others():
    first, second = (cloze_mask(SEQUENCES, share=0.2, last_share=0.0, seed=0, epoch=epoch) for epoch in (0, 1))
    assert (first.float().mean(dim=0) - 0.2).abs().max() < 0.08  # standard error .02
    assert 0.02 < (first & second).float().mean() < 0.06  # .04 where unrelated


def test_a_share_of_the_sequences_has_the_last_item_masked_alone():
    sequences = torch.nn.functional.pad(SEQUENCES, (0, 1))
    mask = cloze_mask(sequences, share=0.4, last_share=0.25, seed=0, epoch=0)
    alone = mask.sum(dim=1) == 1
    assert 0.18 < alone.float().mean() < 0.32
    assert mask[alone][:, 9].all()


def test_segments_are_runs_of_at_most_half_the_items_at_any_place():
    mask = segments(torch.nn.functional.pad(SEQUENCES, (0, 2)), seed=0, epoch=0)
    lengths = mask.sum(dim=1)
    assert set(lengths.tolist()) == {1, 2, 3, 4, 5}
    starts, ends = mask.int().argmax(dim=1), 11 - mask.flip(1).int().argmax(dim=1)
    assert torch.equal(ends - starts + 1, lengths)
    assert (starts.min(), ends.max()) == (0, 9)
    assert segments(torch.tensor([[5, 0]]), seed=0, epoch=0).tolist() == [[True, False]]


def test_a_mask_follows_the_last_item_of_each_row():
    assert with_mask_after(torch.tensor([[1, 2], [3, 0], [0, 0]]), 9).tolist() == [[1, 2, 9], [3, 9, 0], [9, 0, 0]]
