"""Balanced codes equal the loop in logarithms, at any epsilon, and spread a batch evenly."""

import numpy as np
import pytest
import torch

from tests.reference.letter_terms import sinkhorn
from tigerlite.tokenizers.sinkhorn import balanced_codes, log_plan


def distances(n_rows: int, n_columns: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    points, vectors = (torch.randn(n, 3, generator=generator) for n in (n_rows, n_columns))
    return torch.cdist(points, vectors).square()


@pytest.mark.parametrize("n_iterations", [1, 2, 11, 50])
@pytest.mark.parametrize("epsilon", [1.0, 0.05, 1e-3, 1e-5])
def test_the_plan_equals_the_loop_over_its_entries(epsilon, n_iterations):
    costs = torch.rand(13, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
    expected = torch.tensor(sinkhorn(costs.tolist(), epsilon, n_iterations), dtype=torch.float64)
    found = log_plan(costs, epsilon=epsilon, n_iterations=n_iterations)
    # Logarithms of numbers down to e^-200,000: relative.
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("epsilon", [0.5, 0.05])
def test_rows_and_columns_of_the_plan_have_their_marginals(epsilon):
    plan = log_plan(distances(40, 8) / 10, epsilon=epsilon, n_iterations=500).exp()
    torch.testing.assert_close(plan.sum(dim=0), torch.full((8,), 1 / 8, dtype=torch.float64))
    torch.testing.assert_close(plan.sum(dim=1), torch.full((40,), 1 / 40, dtype=torch.float64), rtol=1e-3, atol=1e-5)


def test_codes_are_used_evenly_where_the_nearest_are_not():
    crowded = distances(64, 8)
    crowded[:, 0] -= 5  # code 0 is the nearest of nearly all
    nearest = np.bincount(crowded.argmin(dim=1), minlength=8)
    balanced = np.bincount(balanced_codes(crowded, epsilon=0.003, n_iterations=100), minlength=8)
    assert nearest.max() > 40
    assert balanced.max() <= 12
    assert balanced.min() >= 4


def test_scale_and_offset_of_the_distances_change_no_code():
    first = distances(64, 8)
    codes = balanced_codes(first, epsilon=0.01, n_iterations=50)
    moved = balanced_codes(first.double() * 1000 + 7, epsilon=0.01, n_iterations=50)
    assert (codes == moved).float().mean() > 0.95


@pytest.mark.parametrize("epsilon", [1e-2, 1e-8])
def test_equal_latents_get_equal_codes_and_nothing_overflows(epsilon):
    codes = balanced_codes(torch.full((6, 4), 2.0), epsilon=epsilon, n_iterations=50)
    assert codes.tolist() == [0] * 6
    assert log_plan(torch.eye(6) * 1e6, epsilon=epsilon, n_iterations=50).isfinite().all()
