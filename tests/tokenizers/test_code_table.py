"""Rebuilding identifiers: hysteresis by hand, digits that stay, and the end of the digits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tigerlite.config import InputError
from tigerlite.tokenizers.code_table import kept_codes, rebuilt_table
from tigerlite.tokenizers.soft_quantizer import SoftQuantized


def quantized(distances: list[list[float]]) -> SoftQuantized:
    level = torch.tensor(distances)
    return SoftQuantized(level.argmin(dim=1)[:, None], level[:, :1], (level,), (torch.softmax(-level, dim=1),))


@pytest.mark.parametrize(("hysteresis", "kept"), [(1.0, [1, 1]), (1.9, [1, 1]), (2.1, [0, 1]), (100.0, [0, 0])])
def test_a_code_goes_when_another_is_so_many_times_as_likely(hysteresis, kept):
    # At tau 0.5 the second code is 2 times as likely for the first item, 50 times for the second.
    near, far = 0.5 * math.log(2.0), 0.5 * math.log(50.0)
    found = quantized([[near, 0.0], [far, 0.0]])
    codes = kept_codes(found, torch.tensor([[0], [0]]), torch.tensor(0.5), hysteresis)
    assert codes[:, 0].tolist() == kept


def test_a_flip_leaves_the_digits_of_all_other_items():
    old = torch.tensor([[1, 0], [1, 1], [1, 2], [2, 0]])
    rebuilt = rebuilt_table(old, torch.tensor([[2], [1], [1], [2]]), (3, 4))
    assert rebuilt.codes.tolist() == [[2, 1], [1, 1], [1, 2], [2, 0]]
    assert rebuilt.changed == (0.25, 0.25)


def test_an_item_that_comes_takes_the_lowest_digit_that_is_free():
    old = torch.tensor([[1, 0], [1, 1], [1, 2], [2, 0], [2, 1]])
    rebuilt = rebuilt_table(old, torch.tensor([[2], [1], [1], [1], [1]]), (3, 4))
    assert rebuilt.codes.tolist() == [[2, 0], [1, 1], [1, 2], [1, 0], [1, 3]]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=25), st.randoms(use_true_random=False))
def test_paths_stay_unique_and_unmoved_items_as_they_were(codes, random):
    codes = np.array(codes)
    old = rebuilt_table(
        torch.from_numpy(np.stack([np.full(len(codes), 9), np.arange(len(codes))], 1)),
        torch.from_numpy(codes)[:, None],
        (10, 99),
    ).codes
    new = np.where([random.random() < 0.4 for _ in codes], (codes + 1) % 4, codes)
    table = rebuilt_table(old, torch.from_numpy(new)[:, None], (10, 99)).codes
    assert len(table.unique(dim=0)) == len(codes)
    assert table[:, 0].tolist() == new.tolist()
    assert torch.equal(table[torch.from_numpy(new == codes)], old[torch.from_numpy(new == codes)])


def test_more_items_than_digits_is_one_line():
    old = torch.tensor([[0, 0], [1, 0], [2, 0]])
    with pytest.raises(
        InputError, match=r"3 items share their codes \[1\], which takes 3 digits, but unigrec.digits=2"
    ):
        rebuilt_table(old, torch.tensor([[1], [1], [1]]), (3, 2))
