"""From the ranks that a study keeps to what its rows' hits take; a folder that is gone or of no study is one line."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from toy_catalogues import random_histories

from tigerlite.config import InputError
from tigerlite.evaluation.ranking import summarise
from tigerlite.evaluation.transitions import target_kinds
from tigerlite.studies.records import FILE
from tigerlite.studies.transitions import collect, repeat_shares

DATASET = random_histories(40, 9, (3, 9))


@pytest.fixture
def study(tmp_path):
    """Two rows, of two seeds and of one, with random ranks."""
    out, folder = tmp_path / "runs", tmp_path / "results"
    for part in (out / "prepare-1", folder):
        part.mkdir(parents=True)
    DATASET.save(out / "prepare-1")
    generator = np.random.default_rng(0)
    baseline = generator.integers(0, 20, len(DATASET.test))
    records = []
    for row, method, seed in (("plain", "tiger", 0), ("plain", "tiger", 1), ("classic", "sasrec", 0)):
        file = out / f"evaluate-{row}{seed}" / "ranks.parquet"
        file.parent.mkdir()
        ranks = {f"rank/{method}": generator.integers(0, 20, len(DATASET.test)), "rank/popularity": baseline}
        pl.DataFrame(ranks).write_parquet(file)
        records.append(
            {
                "row": row,
                "seed": seed,
                "method": method,
                "baselines": {"popularity": {}},
                "ranks": str(file),
                "fingerprints": {"prepare": "1"},
                "settings": {"split": "test"},
            }
        )
    (folder / FILE).write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder, records


def test_rows_are_means_over_seeds_and_closed_forms_stand_once(study):
    _, records = study
    rows = {row.name: row for row in collect(records)}
    assert {name: row.n_seeds for name, row in rows.items()} == {"plain": 2, "classic": 1, "popularity": 1}
    of_seeds = [
        summarise(pl.read_parquet(record["ranks"])["rank/tiger"].to_numpy())["ndcg@10"] for record in records[:2]
    ]
    assert sum(rows["plain"].adds) == pytest.approx(np.mean(of_seeds))
    kinds = target_kinds(DATASET.items, DATASET.offsets, DATASET.train_ends, DATASET.test)
    assert rows["plain"].shares == pytest.approx((np.bincount(kinds, minlength=3) / len(kinds)).tolist())
    repeats = [pl.read_parquet(record["ranks"])["rank/tiger"].to_numpy()[kinds == 0] for record in records[:2]]
    assert rows["plain"].metric[0] == pytest.approx(np.mean([summarise(ranks)["ndcg@10"] for ranks in repeats]))


def test_rows_stand_from_the_lowest_to_the_highest(study):
    totals = [sum(row.adds) for row in collect(study[1])]
    assert totals == sorted(totals)


def test_repeats_are_counted_in_every_part_of_the_data():
    offsets, ends = DATASET.offsets, DATASET.train_ends
    last = [DATASET.items[end - 1] in DATASET.items[start : end - 1] for start, end in pairwise(offsets)]
    training = [
        DATASET.items[place] in DATASET.items[start:place]
        for start, end in zip(offsets, ends, strict=False)
        for place in range(start + 1, end)
    ]
    shares = repeat_shares(DATASET)
    assert shares["test"] == pytest.approx(np.mean(last))
    assert shares["training"] == pytest.approx(np.mean(training))
    assert repeat_shares(replace(DATASET, validation=DATASET.validation[:0]))["validation"] == 0


def test_the_command_prints_writes_and_draws(study, tigerlite_command, capsys):
    folder, _ = study
    assert tigerlite_command("report", "transitions", folder) == (0, "")
    table = pl.read_csv(folder / "transitions.csv")
    assert table.height == 9
    assert set(table["row"]) == {"plain", "classic", "popularity"}
    assert (folder / "transitions.png").stat().st_size > 0


def test_ranks_that_are_gone_are_one_line(study):
    records = study[1]
    gone = {**records[0], "fingerprints": {"prepare": "2"}}
    with pytest.raises(InputError, match=r"prepare-2 is gone; run the study again with the same --out"):
        collect([gone])


def test_a_folder_without_records_is_one_line(tmp_path, tigerlite_command):
    code, err = tigerlite_command("report", "transitions", tmp_path)
    assert code == 2
    assert "holds no records.jsonl" in err
