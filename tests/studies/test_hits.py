"""Hits of a record: the ranks of the evaluation's file, without it."""

import numpy as np
import polars as pl

from tigerlite.evaluation.ranking import summarise
from tigerlite.studies.hits import ranks_of, read_hits


def test_hits_hold_every_rank_of_the_file(tmp_path):
    ranks = np.random.default_rng(0).integers(0, 20, 200) * np.random.default_rng(1).integers(0, 2, 200)
    users = [f"u{user}" for user in range(200)]
    file = tmp_path / "ranks.parquet"
    pl.DataFrame({"user": users, "rank/tiger": ranks, "rank/itemknn": ranks[::-1]}).write_parquet(file)
    assert ranks_of(read_hits(file, "tiger")).tolist() == ranks.tolist()
    assert summarise(ranks_of(read_hits(file, "itemknn"))) == summarise(ranks[::-1])
    assert len(read_hits(file, "tiger")["hit"]) == np.count_nonzero(ranks)


def test_the_digest_names_the_users_and_their_order(tmp_path):
    digests = []
    for name, users in {"a": ["x", "y"], "b": ["x", "y"], "c": ["y", "x"], "d": ["x", "z"]}.items():
        pl.DataFrame({"user": users, "rank/tiger": [0, 1]}).write_parquet(tmp_path / name)
        digests.append(read_hits(tmp_path / name, "tiger")["users"])
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
