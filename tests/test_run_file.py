"""run.json names the last call's folders and keeps naming a model when a shorter call follows."""

from pathlib import Path

import pytest

from tigerlite.config import InputError
from tigerlite.run_file import read_run, write_run


def test_folders_come_back_by_stage_from_the_folder_or_the_file(tmp_path):
    write_run(tmp_path, {"prepare": tmp_path / "prepare-1", "finetune": tmp_path / "finetune-2"})
    expected = {"prepare": tmp_path / "prepare-1", "finetune": tmp_path / "finetune-2"}
    assert read_run(tmp_path) == read_run(tmp_path / "run.json") == expected


def test_a_call_without_a_model_does_not_hide_one(tmp_path):
    write_run(tmp_path, {"prepare": tmp_path / "prepare-1"})
    write_run(tmp_path, {"prepare": tmp_path / "prepare-2", "pretrain": tmp_path / "pretrain-1"})
    write_run(tmp_path, {"prepare": tmp_path / "prepare-3"})
    assert set(read_run(tmp_path)) == {"prepare", "pretrain"}
    write_run(tmp_path, {"prepare": tmp_path / "prepare-4", "finetune": tmp_path / "finetune-1"})
    assert set(read_run(tmp_path)) == {"prepare", "finetune"}


def test_what_is_not_a_run_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"run\.json does not exist; give the --out folder"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run\.json is not json"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_bytes("é".encode("latin-1"))
    with pytest.raises(InputError, match=r"run\.json is not json"):
        read_run(tmp_path)
    for other in ("[]", "null", '{"prepare": 3}', '{"finetune": "finetune-1"}'):
        (tmp_path / "run.json").write_text(other)
        with pytest.raises(InputError, match="does not name the folders of a pipeline"):
            read_run(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        read_run(Path(tmp_path / "run.json" / "below"))
