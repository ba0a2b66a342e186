import torch

from tigerlite.recommenders.scoring import padded


def test_fewer_results_than_k_leave_empty_places():
    found = padded(torch.tensor([[7, 3]]), torch.tensor([[-1.0, -torch.inf]]), 4)
    assert found.items.tolist() == [[7, 0, 0, 0]]
    assert found.scores.tolist() == [[-1.0, -torch.inf, -torch.inf, -torch.inf]]
