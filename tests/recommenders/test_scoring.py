import torch

from tigerlite.recommenders.scoring import best, padded


def test_positive_and_negative_zero_tie_and_infinities_sort_last():
    scores = torch.tensor([[-0.0, 0.0, -1.5, 2.5, -torch.inf, -3e38, 1e-40, -1e-40]])
    ties = torch.tensor([[9, 3, 1, 8, 0, 5, 6, 7]])
    assert best(scores, ties, 8).tolist() == [[3, 6, 1, 0, 7, 2, 5, 4]]


def test_fewer_results_than_k_leave_empty_places():
    found = padded(torch.tensor([[7, 3]]), torch.tensor([[-1.0, -torch.inf]]), 4)
    assert found.items.tolist() == [[7, 0, 0, 0]]
    assert found.scores.tolist() == [[-1.0, -torch.inf, -torch.inf, -torch.inf]]


def test_float64_scores_are_ordered_as_float32():
    scores = torch.tensor([[0.25, -1.0, 0.5]], dtype=torch.float64)
    assert best(scores, torch.tensor([[1, 2, 3]]), 3).tolist() == [[2, 0, 1]]
