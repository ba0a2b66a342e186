"""Windows and biases of the shared blocks."""

import torch

from tigerlite.recommenders.baselines.blocks import causal_bias, padding_bias, positions_from_end, windows


def test_windows_end_at_their_position_and_begin_with_zeros():
    embedded = torch.arange(1.0, 5.0).view(1, 4, 1)
    assert windows(embedded, 2)[0, :, :, 0].tolist() == [[0, 1], [1, 2], [2, 3], [3, 4]]


def test_positions_count_from_the_last_item_of_each_row():
    sequences = torch.tensor([[4, 4, 9], [7, 2, 0], [5, 0, 0], [0, 0, 0]])
    assert positions_from_end(sequences).tolist() == [[2, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_a_row_of_padding_has_equal_weights_instead_of_nan():
    weights = torch.softmax(padding_bias(torch.tensor([[0, 0], [3, 0]])), dim=-1)
    assert weights[:, 0, 0].tolist() == [[0.5, 0.5], [1.0, 0.0]]


def test_later_keys_are_hidden():
    assert (causal_bias(3, torch.device("cpu"))[0, 0] == 0).tolist() == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
