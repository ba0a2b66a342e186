"""Influence estimators against their definitions, with a small real model in double precision."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from tigerlite.callbacks.group_scores import validation_weights
from tigerlite.callbacks.influence import (
    AdamState,
    Groups,
    ShardLoss,
    directional_derivative,
    influence,
    mean_gradient,
)
from tigerlite.config import InputError

N_GROUPS, N_SHARDS = 3, 4


class Problem:
    """A two-layer classifier that has taken some Adam steps, and samples of three groups in shards."""

    def __init__(self, *, step: int = 30) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).double()
        self.parameters = list(self.model.parameters())
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-2, eps=1e-8)
        truth = torch.randn(5, 3, dtype=torch.float64)
        self.inputs = {name: torch.randn(N_GROUPS, N_SHARDS, 20, 5, dtype=torch.float64) for name in ("train", "valid")}
        self.labels = {name: (inputs @ truth).argmax(-1) for name, inputs in self.inputs.items()}
        flipped = self.labels["train"][2]
        self.labels["train"][2] = flipped[..., torch.randperm(20)]
        for number in range(step):
            self.optimizer.zero_grad()
            self.loss("train", number % 2, number % N_SHARDS).mean().backward()
            self.optimizer.step()

    def loss(self, split: str, group: int, shard: int) -> torch.Tensor:
        return cross_entropy(
            self.model(self.inputs[split][group, shard]), self.labels[split][group, shard], reduction="none"
        )

    def losses(self, split: str):
        def of_group(group: int):
            for shard in range(N_SHARDS):
                for part in (slice(0, 13), slice(13, 20)):
                    found = self.loss(split, group, shard)[part]
                    yield ShardLoss(shard, found.sum(), len(found))

        return of_group

    def gradient(self, split: str, group: int) -> torch.Tensor:
        loss = torch.cat([self.loss(split, group, shard) for shard in range(N_SHARDS)]).mean()
        return torch.cat([part.flatten() for part in torch.autograd.grad(loss, self.parameters)])

    def groups(self, kind: str = "all") -> Groups:
        weights = validation_weights(kind, N_GROUPS, 1).double()
        return Groups(self.losses("train"), self.losses("valid"), weights, N_SHARDS)


def test_the_mixed_validation_gradient_is_the_mean_over_groups():
    problem = Problem()
    separate = torch.stack([problem.gradient("valid", group) for group in range(N_GROUPS)])

    def mixed():
        for group in range(N_GROUPS):
            yield from problem.losses("valid")(group)

    found = mean_gradient(mixed(), problem.parameters)
    torch.testing.assert_close(found.double(), separate.mean(dim=0), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ["all", "others", "central"])
def test_the_reference_is_the_released_formula(kind):
    problem = Problem()
    state = [problem.optimizer.state[weight] for weight in problem.parameters]
    first, second = (torch.cat([part[name].flatten() for part in state]) for name in ("exp_avg", "exp_avg_sq"))
    train, valid = (torch.stack([problem.gradient(s, g) for g in range(N_GROUPS)]) for s in ("train", "valid"))
    gamma = (0.9 * first + 0.1 * train) / (0.999 * second + 0.001 * train**2 + 1e-8).sqrt()
    if kind == "others":
        gamma = gamma - 0.9 * first / (0.999 * second + 1e-8).sqrt()
    matrix = gamma @ valid.T
    wanted = {
        "all": matrix.mean(dim=1),
        "others": (matrix.sum(dim=1) - matrix.diagonal()) / (N_GROUPS - 1),
        "central": matrix[:, 0],
    }[kind]
    found = influence("reference", problem.groups(kind), AdamState.of(problem.optimizer))
    torch.testing.assert_close(found.scores, wanted.detach(), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("step", [1, 30])
def test_adams_direction_is_the_step_that_adam_takes(step):
    problem = Problem(step=step)
    gradient = problem.gradient("train", 1)
    expected = AdamState.of(problem.optimizer).direction(gradient)
    before = torch.cat([weight.detach().clone().flatten() for weight in problem.parameters])
    for group in problem.optimizer.param_groups:
        group["weight_decay"] = 0.0
    parts = gradient.split([weight.numel() for weight in problem.parameters])
    for weight, part in zip(problem.parameters, parts, strict=True):
        weight.grad = part.view_as(weight)
    problem.optimizer.step()
    moved = before - torch.cat([weight.detach().flatten() for weight in problem.parameters])
    torch.testing.assert_close(moved / 1e-2, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ["all", "others", "central"])
def test_the_directional_estimate_ranks_and_scores_as_adam_does(kind):
    problem = Problem(step=300)  # the second moment no longer depends on one gradient
    adam = AdamState.of(problem.optimizer)
    exact, fast = (influence(name, problem.groups(kind), adam).scores for name in ("adam", "directional"))
    assert exact.argsort().tolist() == fast.argsort().tolist()
    assert float((exact - fast).abs().max()) < 0.1 * float(exact.max() - exact.min())


def test_a_finite_difference_is_the_derivative_to_one_percent():
    problem = Problem()
    direction = torch.randn(sum(weight.numel() for weight in problem.parameters), dtype=torch.float64)

    def along(*weights):
        values = dict(zip([name for name, _ in problem.model.named_parameters()], weights, strict=True))
        logits = torch.func.functional_call(problem.model, values, problem.inputs["train"][1].flatten(0, 1))
        return cross_entropy(logits, problem.labels["train"][1].flatten())

    parts = direction.split([weight.numel() for weight in problem.parameters])
    tangents = tuple(part.view_as(weight) for part, weight in zip(parts, problem.parameters, strict=True))
    exact = torch.func.jvp(along, tuple(problem.parameters), tangents)[1].detach()
    losses = problem.losses("train")
    found = directional_derivative(lambda: losses(1), problem.parameters, direction, scale=1e-4, n_shards=N_SHARDS)
    assert float(found[0].sum() / found[1].sum()) == pytest.approx(float(exact), rel=0.01)
    dot = mean_gradient(losses(1), problem.parameters).double() @ direction
    assert float(dot) == pytest.approx(float(exact), rel=1e-4)


def test_shards_sum_to_the_whole_for_every_estimator():
    problem = Problem()
    adam = AdamState.of(problem.optimizer)
    wanted = torch.stack([problem.gradient("valid", group) for group in range(N_GROUPS)]).mean(dim=0)
    slopes = torch.stack([problem.gradient("train", group) @ adam.scaled(wanted) for group in range(N_GROUPS)])
    for name, tolerance in (("reference", 1e-4), ("adam", 1e-4), ("directional", 1e-2)):
        shards = influence(name, problem.groups(), adam).shards
        assert shards.shape == (N_SHARDS, N_GROUPS)
        # Shards are of equal size here.
        torch.testing.assert_close(shards.mean(dim=0), slopes, atol=tolerance * float(slopes.abs().max()), rtol=0)


def test_asking_leaves_weights_gradients_and_optimizer_as_they_were():
    problem = Problem()
    weights = [weight.detach().clone() for weight in problem.parameters]
    gradients = [weight.grad.clone() for weight in problem.parameters]
    for name in ("reference", "adam", "directional"):
        influence(name, problem.groups("others"), AdamState.of(problem.optimizer))
    assert all(torch.equal(a, b) for a, b in zip(weights, problem.parameters, strict=True))
    assert all(torch.equal(a, b.grad) for a, b in zip(gradients, problem.parameters, strict=True))


def test_an_empty_group_is_one_line():
    with pytest.raises(InputError, match="a data group has no targets"):
        mean_gradient(iter(()), Problem().parameters)
