"""The script: which flags are whose, which data sets are meant, mistakes as one line."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tigerlite.studies.records import read_records

SCRIPT = Path(__file__).resolve().parents[1] / "pipelines" / "study.py"


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("study_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["study_script"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_flags_of_the_study_are_told_from_the_pipelines(study):
    argv = ["--study", "a.yaml", "--config", "b.yaml", "--seeds=3", "--finetune.tiger.epochs=2", "--seed=1"]
    own, flags = study.split_flags(argv)
    assert own == ["--study=a.yaml", "--seeds=3"]
    assert flags == ["--config=b.yaml", "--finetune.tiger.epochs=2", "--seed=1"]


def test_a_sweep_makes_a_table_with_one_row_per_combination(study, toy_settings, tmp_path, capsys):
    config = tmp_path / "films.yaml"
    config.write_text(yaml.safe_dump(toy_settings | {"trainer": {"progress": False, "max_epochs": 1}}))
    sweep = {
        "method": "grid",
        "parameters": {"finetune.tiger.optimizer.lr": {"values": [1e-3, 3e-3]}},
        "command": [
            "python",
            "${program}",
            f"--config={config}",
            "--until=finetune",
            "--tracking.wandb=true",
            "${args}",
        ],
    }
    (tmp_path / "rates.yaml").write_text(yaml.safe_dump(sweep))
    results = tmp_path / "results"
    command = [f"--sweep={tmp_path / 'rates.yaml'}", f"--results={results}", f"--out={tmp_path / 'runs'}"]
    study.main(command)
    records = read_records(results / "rates" / "films")
    assert [record["row"] for record in records] == ["lr=0.001", "lr=0.003"]
    assert {record["settings"]["split"] for record in records} == {"validation"}
    printed = capsys.readouterr().out
    assert "Against 'lr=0.001'" in printed
    assert f"Records, table and plot are in {results / 'rates' / 'films'}" in printed
    study.main([*command, "--baseline=lr=0.003"])
    assert "Against 'lr=0.003'" in capsys.readouterr().out
    assert len(read_records(results / "rates" / "films")) == 2


@pytest.mark.parametrize(
    ("flags", "given"),
    [
        (["--seeds=3"], "no study"),
        (["--study=a.yaml", "--sweep=b.yaml"], "study=a.yaml beside sweep=b.yaml"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(flags, given):
    done = subprocess.run([sys.executable, str(SCRIPT), *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    allowed = "one of --study=FILE (configs/studies/) and --sweep=FILE (configs/sweeps/)"
    assert done.stderr == f"error: {given} is given; allowed: {allowed}\n"
