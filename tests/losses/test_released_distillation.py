"""The released distillations by hand: the wrong sign, the mean over levels, the first sample of each item."""

import math

import pytest
import torch

from tigerlite.losses.distillation import info_nce
from tigerlite.losses.released_distillation import is_first, released_divergence, released_info_nce


def test_the_farthest_code_gets_most_and_levels_are_averaged():
    step = math.log(3.0)  # the farther code is 3 times as likely
    student, teacher = torch.tensor([[0.0, step]]), torch.tensor([[step, 0.0]])
    one = 0.75 * math.log(3.0) + 0.25 * math.log(1 / 3)
    equal = torch.zeros(1, 2)
    found = released_divergence([student, equal], [teacher, equal], torch.tensor([5]))
    assert found.item() == pytest.approx((2 * one + 0.0) / 2)


def test_later_samples_of_an_item_count_nothing():
    generator = torch.Generator().manual_seed(0)
    student, teacher = ([torch.rand(4, 3, generator=generator)] for _ in range(2))
    items, kept = torch.tensor([7, 2, 7, 9]), [0, 1, 3]
    expected = released_divergence([student[0][kept]], [teacher[0][kept]], items[kept])
    torch.testing.assert_close(released_divergence(student, teacher, items), expected)
    states, teachers = (torch.randn(4, 5, generator=generator) for _ in range(2))
    found = released_info_nce(states, teachers, items, 0.07)
    # Where no item is repeated, both forms of the contrast are one.
    torch.testing.assert_close(found, info_nce(states[kept], teachers[kept], items[kept], 0.07))
    assert is_first(items).tolist() == [True, True, False, True]
