"""Stages of a run by name, the first that exists; pictures beside run.json."""

import json

import pytest

from tigerlite.config import InputError
from tigerlite.reports.run_folders import has_stage, picture_folder, stage_folder


@pytest.fixture
def pretrained(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"prepare": "prepare-1", "pretrain": "pretrain-2"}))
    return tmp_path


def test_the_first_stage_that_the_run_has_is_taken(pretrained):
    assert stage_folder(pretrained, "finetune", "pretrain") == pretrained / "pretrain-2"
    assert has_stage(pretrained, "finetune", "pretrain")
    assert not has_stage(pretrained, "finetune")


def test_a_missing_stage_is_named_with_those_that_exist(pretrained):
    with pytest.raises(InputError, match="has no stage finetune or evaluate, only prepare, pretrain"):
        stage_folder(pretrained, "finetune", "evaluate")


def test_pictures_go_beside_run_json_however_the_run_is_named(pretrained):
    assert picture_folder(pretrained) == picture_folder(pretrained / "run.json") == pretrained
