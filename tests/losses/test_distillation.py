"""Both distillations by hand and against loops; their shares over processes."""

import math

import pytest
import torch

from tigerlite.losses.distillation import info_nce, mean_over_processes, symmetric_divergence


def test_the_divergence_is_both_directions_summed_over_levels():
    step = 0.5 * math.log(3.0)  # at tau .5 the nearer code is 3 times as likely
    student, teacher = torch.tensor([[0.0, step]]), torch.tensor([[step, 0.0]])
    one = 0.75 * math.log(3.0) + 0.25 * math.log(1 / 3)
    found = symmetric_divergence([student, student], [teacher, teacher], 0.5)
    assert found.tolist() == pytest.approx([2 * (one + one)])


def test_equal_distances_cost_nothing_and_the_nearest_code_gets_most():
    distances = torch.rand(4, 6)
    assert symmetric_divergence([distances], [distances], 0.1).tolist() == pytest.approx([0.0] * 4)
    # Nearer to the code that the teacher is near costs less: the sign is that of nearness.
    teacher = torch.tensor([[0.0, 1.0]])
    near, far = (symmetric_divergence([torch.tensor([d])], [teacher], 1.0) for d in ([0.0, 0.5], [0.5, 0.0]))
    assert near < far


def test_a_step_down_the_gradient_brings_distributions_together():
    student = torch.rand(5, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    teacher = torch.rand(5, 4, generator=torch.Generator().manual_seed(1))
    before = symmetric_divergence([student], [teacher], 0.5).sum()
    (gradient,) = torch.autograd.grad(before, student)
    assert symmetric_divergence([student - 0.1 * gradient], [teacher], 0.5).sum() < before


def looped(states, teachers, items, tau) -> float:
    total = 0.0
    for i in range(len(items)):
        others = [j for j in range(len(items)) if j == i or items[j] != items[i]]
        cosine = torch.nn.functional.cosine_similarity
        forwards = torch.stack([cosine(states[i], teachers[j], dim=0) / tau for j in others])
        backwards = torch.stack([cosine(states[j], teachers[i], dim=0) / tau for j in others])
        for row in (forwards, backwards):
            total += float(row.logsumexp(dim=0) - row[others.index(i)])
    return total / len(items)


def test_info_nce_equals_the_loop_and_leaves_out_other_samples_of_the_item():
    generator = torch.Generator().manual_seed(0)
    states, teachers = (torch.randn(7, 5, generator=generator) for _ in range(2))
    items = torch.tensor([4, 2, 4, 9, 1, 2, 4])
    assert info_nce(states, teachers, items, 0.07).item() == pytest.approx(
        looped(states, teachers, items, 0.07), rel=1e-4
    )


def test_info_nce_does_not_depend_on_the_order_and_moves_states_alone():
    generator = torch.Generator().manual_seed(2)
    states = torch.randn(6, 5, generator=generator).requires_grad_()
    teachers = torch.randn(6, 5, generator=generator).requires_grad_()
    items, order = torch.tensor([1, 2, 1, 3, 4, 5]), torch.tensor([5, 3, 1, 0, 2, 4])
    loss = info_nce(states, teachers, items, 0.1)
    torch.testing.assert_close(info_nce(states[order], teachers[order], items[order], 0.1), loss)
    loss.backward()
    assert teachers.grad is None
    assert states.grad.abs().sum() > 0


def test_a_batch_of_one_item_alone_costs_nothing():
    loss = info_nce(torch.randn(3, 4), torch.randn(3, 4), torch.tensor([8, 8, 8]), 0.1)
    assert loss.item() == pytest.approx(0.0, abs=1e-6)


def test_the_mean_is_weighted_row_by_row():
    values = torch.tensor([[1.0, 2.0], [5.0, 6.0]], requires_grad=True)
    mean = mean_over_processes(values, torch.tensor([3, 1]))
    assert mean.tolist() == [2.0, 3.0]
    mean.sum().backward()
    assert values.grad.tolist() == [[0.75, 0.75], [0.25, 0.25]]
