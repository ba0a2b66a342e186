"""Tests compute on one thread, so that runs in this process and in others can be compared to the last digit."""

import torch


def test_torch_uses_one_thread():
    assert torch.get_num_threads() == 1
