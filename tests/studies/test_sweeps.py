"""W&B sweep files become rows; the same file gives the same rows every time."""

import math
from pathlib import Path

import pytest
import yaml

from tigerlite.config import ConfigError
from tigerlite.studies.sweeps import read_sweep

EXAMPLE = Path(__file__).resolve().parents[2] / "configs" / "sweeps" / "learning_rate.yaml"


def sweep_file(folder: Path, **changes) -> Path:
    sweep = {"method": "grid", "parameters": {"finetune.tiger.epochs": {"values": [1, 2]}}} | changes
    file = folder / "sweep.yaml"
    file.write_text(yaml.safe_dump(sweep))
    return file


def test_a_grid_has_every_combination_and_keeps_the_commands_config_files():
    sweep = read_sweep(EXAMPLE, seeds=(0, 1))
    rows = sweep.study.config.rows
    assert len(rows) == 9
    assert rows["lr=0.0005, dropout=0.1"] == {"finetune.tiger.optimizer.lr": 5e-4, "finetune.tiger.t5.dropout": 0.1}
    assert sweep.flags == ["--config=configs/demo.yaml"]
    assert sweep.study.config.seeds == (0, 1)


def test_a_data_sets_file_takes_the_place_of_the_commands(tmp_path):
    for name, content in (("demo", "prepare: {}"), ("mine", "prepare: {}"), ("model", "{}"), ("preset", "{}")):
        (tmp_path / f"{name}.yaml").write_text(content)
    demo, mine, model, preset = (f"--config={tmp_path / name}.yaml" for name in ("demo", "mine", "model", "preset"))
    sweep = read_sweep(sweep_file(tmp_path, command=["python", demo, model, "--until=finetune"]), seeds=(0,))
    assert sweep.flags_with([]) == [demo, model]
    assert sweep.flags_with([preset, "--finetune.tiger.epochs=3"]) == [demo, model, preset, "--finetune.tiger.epochs=3"]
    given = ["--prepare.folder=here", preset, mine]
    assert sweep.flags_with(given) == [mine, model, "--prepare.folder=here", preset]


def test_a_sweep_selects_on_validation(tmp_path):
    assert read_sweep(sweep_file(tmp_path), seeds=(0,)).study.config.values == {"evaluate.split": "validation"}


def test_random_draws_are_repeatable_and_within_their_ranges(tmp_path):
    parameters = {
        "finetune.tiger.optimizer.lr": {"min": 1e-4, "max": 1e-2, "distribution": "log_uniform_values"},
        "finetune.tiger.epochs": {"min": 2, "max": 4},
        "finetune.tiger.t5.dropout": {"min": 0.0, "max": 0.5},
        "finetune.tiger.head": {"values": ["level", "vocabulary"]},
        "finetune.tiger.batch_size": {"value": 64},
    }
    file = sweep_file(tmp_path, method="random", parameters=parameters)
    rows = list(read_sweep(file, seeds=(0,), count=200).study.config.rows.values())
    assert rows == list(read_sweep(file, seeds=(0,), count=200).study.config.rows.values())
    rates = sorted(row["finetune.tiger.optimizer.lr"] for row in rows)
    assert 1e-4 <= rates[0] < rates[-1] <= 1e-2
    assert math.log10(rates[len(rates) // 2]) == pytest.approx(-3, abs=0.2)  # the middle of a log-uniform range
    assert {row["finetune.tiger.epochs"] for row in rows} == {2, 3, 4}
    assert all(0 <= row["finetune.tiger.t5.dropout"] <= 0.5 for row in rows)
    assert {row["finetune.tiger.head"] for row in rows} == {"level", "vocabulary"}
    assert {row["finetune.tiger.batch_size"] for row in rows} == {64}


def test_the_cap_in_the_file_counts_where_no_count_is_given(tmp_path):
    parameters = {"finetune.tiger.t5.dropout": {"min": 0.0, "max": 0.5}}
    file = sweep_file(tmp_path, method="random", parameters=parameters, run_cap=3)
    assert len(read_sweep(file, seeds=(0,)).study.config.rows) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "bayes"}, "method='bayes' is unknown; allowed: grid, random"),
        ({"method": "random"}, "draws at random without an end; give --count=N"),
        ({"parameters": {}}, "is not a sweep: it has no `parameters`"),
        ({"parameters": {"a": {"min": 0.0, "max": 1.0}}}, "parameter 'a' in .* is a range; method=grid needs"),
        ({"parameters": {"a": {"min": 0.0}}}, "parameter 'a' in .* needs value, values, or min and max"),
        ({"parameters": {"a": {"min": 0, "max": 1, "distribution": "beta"}}}, "distribution of 'a'='beta' is unknown"),
        ({"parameters": {"a": {"values": 3}}}, "values of 'a' in .*=3 is out of range; allowed: a list"),
        ({"parameters": {"a": {"min": "x", "max": 1}}}, "min of 'a' in .*='x' is out of range; allowed: a number"),
        (
            {"parameters": {"a": {"min": 2, "max": 1}}},
            "min of 'a' in .*=2 is out of range; allowed: a number > -inf and <=",
        ),
        (
            {"parameters": {"a": {"min": 0, "max": 1, "distribution": "log_uniform_values"}}},
            "min of 'a' in .*=0 is out of range; allowed: a number > 0",
        ),
        ({"run_cap": "x"}, "run_cap of .*='x' is out of range; allowed: an integer >= 1"),
    ],
)
def test_what_cannot_run_without_a_server_is_refused(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        read_sweep(sweep_file(tmp_path, **changes), seeds=(0,))


def test_a_missing_sweep_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="none.yaml does not exist"):
        read_sweep(tmp_path / "none.yaml", seeds=(0,))
