"""S3-Rec's losses against sums written out."""

import math

import torch

from tigerlite.losses.self_supervised import attribute_prediction, contrast


def sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score))


def test_attribute_prediction_sums_over_all_attributes():
    states, table = torch.tensor([[1.0, -2.0], [0.5, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    found = attribute_prediction(states, torch.tensor([[2, 0], [1, -2]]), table)
    first = -math.log(sigmoid(1)) - math.log(1 - sigmoid(-2)) - math.log(sigmoid(-1))
    second = -math.log(1 - sigmoid(0.5)) - math.log(sigmoid(0)) - math.log(1 - sigmoid(0.5))
    torch.testing.assert_close(found, torch.tensor([first, second]))


def test_an_item_of_which_nothing_is_known_teaches_nothing():
    states = torch.ones(2, 3, requires_grad=True)
    losses = attribute_prediction(states, torch.tensor([[-1, -2], [0, -2]]), torch.ones(4, 3))
    losses.sum().backward()
    assert losses[0] == 0
    assert (states.grad[0] == 0).all()
    assert (states.grad[1] != 0).all()


def test_contrast_compares_sigmas_of_inner_products():
    states, positives, negatives = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.5]]), torch.tensor([[-1.0, 0.0]])
    expected = -math.log(sigmoid(sigmoid(1.5) - sigmoid(-1)))
    torch.testing.assert_close(contrast(states, positives, negatives), torch.tensor([expected]))
