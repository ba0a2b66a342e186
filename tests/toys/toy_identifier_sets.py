"""Sets of identifiers, their figures and the scores that recommenders reached with them, made up."""

import numpy as np


def made(n_sets: int = 20, seed: int = 0) -> list[dict]:
    """Sets of identifiers whose figure `good` orders the scores, `noise` does not, and `same` is constant."""
    generator = np.random.default_rng(seed)
    scores = generator.random(n_sets)
    return [
        {
            "identifiers": f"tokenize-{place}",
            "rows": [f"row {place}"],
            "score": float(score),
            "figures": {"good": float(score**3), "bad": -float(score), "noise": float(generator.random()), "same": 1.0},
        }
        for place, score in enumerate(scores)
    ]
