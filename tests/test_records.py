"""The published records: what a table is made of is in the repository, whole, and of no machine."""

from pathlib import Path

import pytest

from tigerlite.evaluation.ranking import summarise
from tigerlite.studies.hits import ranks_of
from tigerlite.studies.plan import read_study
from tigerlite.studies.records import FILE, read_records
from tigerlite.studies.report import save_study
from tigerlite.studies.summary import summarise_study

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "docs" / "results" / "records"
FOLDERS = sorted(file.parent for file in RECORDS.glob(f"*/*/{FILE}"))


def test_there_are_published_records():
    assert FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(RECORDS)))
def test_every_record_is_of_the_study_and_its_metrics_are_those_of_its_hits(folder):
    study = read_study(ROOT / "configs" / "studies" / f"{folder.parent.name}.yaml")
    for record in read_records(folder):
        assert (record["study"], record["dataset"]) == (folder.parent.name, folder.name)
        assert record["row"] in study.config.rows
        assert record["metrics"] == pytest.approx(summarise(ranks_of(record["hits"])))
        assert str(record["ranks"]).startswith(str(ROOT))  # a path from here, not of another machine


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(RECORDS)))
def test_the_table_beside_them_is_theirs(folder, tmp_path):
    if not (folder / "table.csv").exists():
        pytest.skip("the study is not finished")
    config = read_study(ROOT / "configs" / "studies" / f"{folder.parent.name}.yaml").config
    rows = list(config.rows)
    records = sorted(read_records(folder), key=lambda record: (record["seed"], rows.index(record["row"])))
    published = config.datasets.get(folder.name, {}).get("published", {})
    save_study(tmp_path, "", summarise_study(records, config.baseline_row, published), config.seeds_set)
    assert (tmp_path / "table.csv").read_text() == (folder / "table.csv").read_text()
