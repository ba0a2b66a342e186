"""From the prefix matches that evaluations keep to a table over the rows of a study."""

import json

import numpy as np
import polars as pl
import pytest

from tigerlite.config import InputError
from tigerlite.evaluation.prefix import summarise_prefixes
from tigerlite.evaluation.result_files import SLICES
from tigerlite.studies.prefix import collect, plot_prefix_rows, prefix_rows
from tigerlite.studies.records import FILE


def kept(out, number: int, *, row: str, method: str = "tiger", n_codes: int = 3, identified: bool = True) -> dict:
    """The record of a run whose evaluation kept random matches, or none without identifiers."""
    folder = out / f"evaluate-{number}"
    folder.mkdir(parents=True)
    same = np.random.default_rng(number).random((20, 10, n_codes)) < 0.3
    levels = summarise_prefixes(np.logical_and.accumulate(same, axis=2))
    (folder / SLICES).write_text(
        json.dumps({"prefix_match": {method: levels, "popularity": levels} if identified else {}})
    )
    return {"row": row, "seed": number, "method": method, "ranks": str(folder / "ranks.parquet"), "levels": levels}


@pytest.fixture
def study(tmp_path):
    """A row of two seeds, one of one seed and shorter identifiers, and one of none."""
    out, folder = tmp_path / "runs", tmp_path / "results"
    folder.mkdir()
    records = [
        kept(out, 0, row="tiger"),
        kept(out, 1, row="short", n_codes=2),
        kept(out, 2, row="sasrec", method="sasrec", identified=False),
        kept(out, 3, row="tiger"),
    ]
    (folder / FILE).write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder, records


def test_rows_are_means_over_seeds_and_those_without_identifiers_are_left_out(study):
    _, records = study
    rows = collect(records)
    assert [(row.name, row.n_seeds) for row in rows] == [("tiger", 2), ("short", 1)]
    for figure in ("hit@5", "dcg@5", "ndcg@5"):
        for number, level in enumerate(rows[0].levels):
            values = [record["levels"][number][figure] for record in records if record["row"] == "tiger"]
            assert level[figure].mean == pytest.approx(sum(values) / 2)
            assert level[figure].std == pytest.approx(abs(values[0] - values[1]) / 2**0.5)


def test_columns_run_from_the_whole_identifier_to_its_first_code(study):
    rows = collect(study[1])
    printed = list(prefix_rows(rows, 3))
    assert [row[1] for row in printed] == ["tiger", "short"] * 3
    assert printed[0][-1] == str(rows[0].levels[0]["dcg@5"])
    assert printed[1][2:4] == ("1", "")  # two codes have no third


def test_the_command_prints_writes_and_draws(study, tigerlite_command):
    folder, records = study
    assert tigerlite_command("report", "prefix", folder) == (0, "")
    table = pl.read_csv(folder / "prefix_match.csv")
    assert table["n_codes"].to_list() == [1, 2, 3, 1, 2]
    assert table["dcg@5"][3] == pytest.approx(records[1]["levels"][0]["dcg@5"])
    assert not (folder / "prefix_match.png").exists()  # identifiers of two lengths
    (folder / FILE).write_text(json.dumps(records[0]) + "\n")
    assert tigerlite_command("report", "prefix", folder) == (0, "")
    assert (folder / "prefix_match.png").stat().st_size > 0


def test_the_picture_has_a_panel_per_number_of_codes_and_both_figures_of_every_row(study):
    pytest.importorskip("matplotlib")
    rows = collect([record for record in study[1] if record["row"] == "tiger"])
    panels = plot_prefix_rows(rows).axes
    assert [panel.get_title() for panel in panels] == ["first code", "first 2 codes", "first 3 codes"]
    for level, panel in enumerate(panels):
        drawn = [container.lines[0].get_xdata().tolist() for container in panel.containers]
        assert drawn == [[rows[0].levels[level][name].mean] for name in ("dcg@5", "ndcg@5")]


def test_what_has_no_prefixes_is_one_line(study, tmp_path):
    records = study[1]
    with pytest.raises(InputError, match="no row of this study has identifiers; a prefix match needs them"):
        collect([records[2]])
    with pytest.raises(InputError, match="evaluate-9 is gone; run the study again with the same --out"):
        collect([{**records[0], "ranks": str(tmp_path / "evaluate-9" / "ranks.parquet")}])
    with pytest.raises(InputError, match="identifiers of row 'tiger' are longer with one seed than with another"):
        collect([records[0], {**records[1], "row": "tiger"}])
