"""Records: torn lines are skipped, costs of every trained stage are counted, closed forms have none."""

import json

import pytest
import torch

from tigerlite.config import InputError
from tigerlite.stages.codebook_health import HEALTH
from tigerlite.stages.trainer import LAST
from tigerlite.studies.records import FILE, append_record, best_validation, identifiers, read_records, updates
from tigerlite.studies.runner import training_seconds
from tigerlite.tracking import append_metrics


def test_a_line_that_a_crash_cut_short_is_skipped_and_the_next_one_is_whole(tmp_path):
    append_record(tmp_path, {"row": "a", "ranks": "ranks.parquet"})
    with (tmp_path / FILE).open("a") as stream:
        stream.write('{"row": "b", "met')
    append_record(tmp_path, {"row": "c", "ranks": "ranks.parquet"})
    assert [record["row"] for record in read_records(tmp_path)] == ["a", "c"]
    assert [json.loads(line)["row"] for line in (tmp_path / FILE).read_text().splitlines()[::2]] == ["a", "c"]


def test_records_can_be_moved_together_with_the_runs(tmp_path):
    (tmp_path / "here").mkdir()
    append_record(tmp_path / "here" / "results", {"ranks": str(tmp_path / "here" / "runs" / "ranks.parquet")})
    assert str(tmp_path) not in (tmp_path / "here" / "results" / FILE).read_text()
    (tmp_path / "here").rename(tmp_path / "there")
    (record,) = read_records(tmp_path / "there" / "results")
    assert record["ranks"] == str(tmp_path / "there" / "runs" / "ranks.parquet")


@pytest.mark.parametrize("line", ['{"row": 1}', "[1]"])
def test_a_line_that_is_no_record_is_refused(tmp_path, line):
    (tmp_path / FILE).write_text(f"{line}\n")
    with pytest.raises(InputError, match=r"records\.jsonl has a line that is no record of a run"):
        read_records(tmp_path)


def test_no_records_are_an_empty_list(tmp_path):
    assert read_records(tmp_path / "none") == []


def test_the_best_validation_is_the_one_that_chose_the_checkpoint(tmp_path):
    for step, value in ((1, 0.1), (2, 0.3), (3, 0.2)):
        append_metrics(
            tmp_path / "metrics.csv", "finetune", {"finetune/valid/ndcg@10": value, "finetune/valid/loss": 9.0}, step
        )
    assert best_validation(tmp_path) == pytest.approx(0.3)


def test_a_closed_form_has_no_updates_and_no_validation(tmp_path):
    assert updates(tmp_path) == 0
    assert best_validation(tmp_path) is None
    torch.save({"global_step": 7}, tmp_path / LAST)
    assert updates(tmp_path) == 7


def test_training_seconds_count_the_teacher_and_leave_out_what_trains_no_recommender():
    seconds = {"prepare": 1.0, "encode": 20.0, "teacher": 300.0, "tokenize": 4000.0, "finetune": 50000.0}
    assert training_seconds({"seconds": seconds}) == 50300.0


def test_identifiers_are_described_by_collisions_and_the_level_that_is_used_least(tmp_path):
    levels = [{"size": 4, "perplexity": 3.0}, {"size": 8, "perplexity": 2.0}]
    (tmp_path / HEALTH).write_text(json.dumps({"collision_rate": 0.25, "levels": levels}))
    assert identifiers(tmp_path) == {"collision_rate": 0.25, "lowest_perplexity": 2 / 8}
