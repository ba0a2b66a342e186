"""Residual quantisation, EMA update and collision handling written as loops over items."""

import itertools

import numpy as np


def quantize(latents, codebooks):
    """Codes (N, L), one item and one level at a time."""
    codes = []
    for latent in latents:
        residual, row = np.array(latent, dtype=np.float64), []
        for codebook in codebooks:
            distances = [float(((residual - vector) ** 2).sum()) for vector in codebook]
            code = distances.index(min(distances))
            row.append(code)
            residual = residual - codebook[code]
        codes.append(row)
    return np.array(codes)


def ema_update(vectors, counts, sums, latents, codes, decay=0.99, epsilon=1e-5):
    """Codebook, counts and sums after one batch, straight from the formulas of arXiv 1711.00937, Appendix A.1."""
    n_codes, width = vectors.shape
    vectors, counts, sums = vectors.copy(), counts.copy(), sums.copy()
    for k in range(n_codes):
        n_k, s_k = 0, np.zeros(width)
        for latent, code in zip(latents, codes, strict=True):
            if code == k:
                n_k, s_k = n_k + 1, s_k + latent
        counts[k] = decay * counts[k] + (1 - decay) * n_k
        sums[k] = decay * sums[k] + (1 - decay) * s_k
    total = sum(counts)
    for k in range(n_codes):
        vectors[k] = sums[k] / (total * (counts[k] + epsilon) / (total + n_codes * epsilon))
    return vectors, counts, sums


def rank_digits(codes):
    """Digit of every item: how many earlier items have the same codes."""
    return [sum(tuple(other) == tuple(row) for other in codes[:item]) for item, row in enumerate(codes)]


def nearest_free(codes, latents, codebooks):
    """Codes after every later duplicate walked all code paths in order of preference, level by level from the last."""
    codes = [tuple(row) for row in codes]
    taken, result = set(codes), []
    seen = set()
    for row, latent in zip(codes, latents, strict=True):
        if row not in seen:
            seen.add(row)
            result.append(row)
            continue
        for level in reversed(range(len(row))):
            candidates = _paths(row[:level], latent, codebooks)
            free = next((path for path in candidates if path not in taken), None)
            if free is not None:
                break
        taken.add(free)
        result.append(free)
    return np.array(result)


def _paths(prefix, latent, codebooks):
    """All paths below a prefix, depth first, nearest code first."""
    if len(prefix) == len(codebooks):
        return iter([prefix])
    residual = np.array(latent, dtype=np.float64)
    for level, code in enumerate(prefix):
        residual = residual - codebooks[level][code]
    distances = ((residual - codebooks[len(prefix)]) ** 2).sum(axis=1)
    order = sorted(range(len(distances)), key=lambda code: (distances[code], code))
    return itertools.chain.from_iterable(_paths((*prefix, code), latent, codebooks) for code in order)
