"""LETTER's terms, Sinkhorn's iterations and bounded clusters, written as loops over items and codes."""

import itertools
import math


def alignment(latents, embeddings):
    """Mean cost of finding each row's own embedding by dot products."""
    total = 0.0
    for i, latent in enumerate(latents):
        scores = [sum(a * b for a, b in zip(latent, other, strict=True)) for other in embeddings]
        total -= scores[i] - _log_sum_exp(scores)
    return total / len(latents)


def diversity(vectors, codes, positives):
    """Mean cost of finding each positive among the other codes' vectors."""
    total = 0.0
    for code, positive in zip(codes, positives, strict=True):
        scores = {
            other: sum(a * b for a, b in zip(vectors[code], vectors[other], strict=True))
            for other in range(len(vectors))
            if other != code
        }
        total -= scores[positive] - _log_sum_exp(list(scores.values()))
    return total / len(codes)


def sinkhorn(costs, epsilon, n_iterations):
    """Logarithm of the plan as lists, one logarithm at a time."""
    n_rows, n_columns = len(costs), len(costs[0])
    plan = [[-cost / epsilon for cost in row] for row in costs]
    for _ in range(n_iterations):
        for row in plan:
            total = _log_sum_exp(row)
            row[:] = [value - total - math.log(n_rows) for value in row]
        for column in range(n_columns):
            total = _log_sum_exp([row[column] for row in plan])
            for row in plan:
                row[column] -= total + math.log(n_columns)
    return plan


def cheapest_bounded_labels(costs, smallest, largest):
    """Least total cost over all ways to give each row a cluster of an allowed size."""
    n_clusters = len(costs[0])
    best = math.inf
    for labels in itertools.product(range(n_clusters), repeat=len(costs)):
        sizes = [labels.count(cluster) for cluster in range(n_clusters)]
        if smallest <= min(sizes) and max(sizes) <= largest:
            best = min(best, sum(row[label] for row, label in zip(costs, labels, strict=True)))
    return best


def _log_sum_exp(values):
    largest = max(values)
    return largest + math.log(sum(math.exp(value - largest) for value in values))
