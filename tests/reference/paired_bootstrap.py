"""The paired bootstrap as the textbook has it: draw users with replacement, take the mean, again and again."""

import random


def bootstrap_p(values: list[float], baseline: list[float], n_resamples: int, seed: int) -> float:
    """Share of resampled means, centred on 0, that are as far from 0 as the mean difference is."""
    rng = random.Random(seed)
    differences = [value - other for value, other in zip(values, baseline, strict=True)]
    mean = sum(differences) / len(differences)
    extreme = 0
    for _ in range(n_resamples):
        draw = [rng.choice(differences) - mean for _ in differences]
        extreme += abs(sum(draw) / len(draw)) >= abs(mean)
    return extreme / n_resamples


def holm_by_rejection(p_values: list[float], index: int) -> float:
    """The smallest level at which Holm's step-down procedure rejects hypothesis `index`, tried level by level."""
    for level in range(1, 10_001):
        alpha = level / 10_000
        order = sorted(range(len(p_values)), key=lambda i: p_values[i])
        for place, hypothesis in enumerate(order):
            if p_values[hypothesis] > alpha / (len(p_values) - place):
                break
            if hypothesis == index:
                return alpha
    return 1.0
