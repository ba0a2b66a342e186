"""The per-user result of a run, short enough for its record: who was hit, and at which rank.

With it a table and its paired tests can be made anew where the folders of the runs are gone.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tigerlite.columns import RANK, USER


def read_hits(file: Path, method: str) -> dict[str, Any]:
    """The hits of a method in the file of ranks that an evaluation wrote.

    Returns:
        `users`, a digest of the users' ids in their order; `n_users`; `hit`, the places (0-based) of the users whose target
        is in the list; `rank`, where (1-based), both as lists of the same length.
    """
    import polars as pl

    frame = pl.read_parquet(file, columns=[USER, f"{RANK}/{method}"])
    ranks = frame[f"{RANK}/{method}"].to_numpy()
    hit = np.flatnonzero(ranks)
    digest = hashlib.sha256("\n".join(frame[USER].cast(pl.String)).encode()).hexdigest()[:16]
    return {"users": digest, "n_users": len(ranks), "hit": hit.tolist(), "rank": ranks[hit].tolist()}


def ranks_of(hits: Mapping[str, Any]) -> np.ndarray:
    """Rank of every user's target, 0 where it is not in the list, shape (U,).

    >>> ranks_of({"n_users": 4, "hit": [1, 3], "rank": [2, 1]}).tolist()
    [0, 2, 0, 1]
    """
    ranks = np.zeros(hits["n_users"], dtype=np.int64)
    ranks[hits["hit"]] = hits["rank"]
    return ranks
