"""The best columns: by score, ties by the given numbers, as sorting every row would."""

import torch

from tigerlite.recommenders.best import best


def test_positive_and_negative_zero_tie_and_infinities_sort_last():
    scores = torch.tensor([[-0.0, 0.0, -1.5, 2.5, -torch.inf, -3e38, 1e-40, -1e-40]])
    ties = torch.tensor([[9, 3, 1, 8, 0, 5, 6, 7]])
    assert best(scores, ties, 8).tolist() == [[3, 6, 1, 0, 7, 2, 5, 4]]


def test_float64_scores_are_ordered_as_float32():
    scores = torch.tensor([[0.25, -1.0, 0.5]], dtype=torch.float64)
    assert best(scores, torch.tensor([[1, 2, 3]]), 3).tolist() == [[2, 0, 1]]


def test_rows_with_and_without_a_disputed_last_place_are_ordered_as_by_sorting():
    generator = torch.Generator().manual_seed(0)
    few_values = torch.randint(0, 4, (30, 50), generator=generator).float()
    none_or_few = few_values.where(few_values > 2, torch.tensor(-torch.inf))
    different = torch.randn(30, 50, generator=generator)
    scores = torch.cat([few_values, none_or_few, different])
    ties = torch.stack([torch.randperm(50, generator=generator) for _ in scores])
    for n_best in (1, 7, 50, 60):
        expected = [
            sorted(range(50), key=lambda column: (-row[column], tie[column]))[:n_best]
            for row, tie in zip(scores.tolist(), ties.tolist(), strict=True)
        ]
        assert best(scores, ties, n_best).tolist() == expected
