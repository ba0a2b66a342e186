"""A Weights & Biases sweep file run as a study on this machine: one row per combination, no server.

Selecting by test results would leak, so a sweep's table is about the validation split unless a flag says otherwise.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tigerlite.config import ConfigError, check, check_choice
from tigerlite.studies.datasets import GIVEN, sets_data
from tigerlite.studies.plan import Study, StudyConfig
from tigerlite.yaml_file import read_yaml

SEED = 0
"""Of random draws: a sweep that is continued draws the same combinations."""
DISTRIBUTIONS = ("uniform", "log_uniform_values", "int_uniform", "q_uniform", "constant", "categorical")


@dataclass(frozen=True)
class Sweep:
    """A sweep as a study, and the pipeline flags that its command holds."""

    study: Study
    flags: list[str]

    def flags_with(self, given: Sequence[str]) -> list[str]:
        """The command's flags, then those that are given; a data set's config file takes the place of the command's."""
        data = [flag for flag in given if _sets_data(flag)]
        kept = [flag for flag in self.flags if not (data and _sets_data(flag))]
        return [*data, *kept, *(flag for flag in given if flag not in data)]


def read_sweep(file: Path, *, seeds: tuple[int, ...], count: int | None = None) -> Sweep:
    """The sweep in a W&B YAML file, with methods grid and random.

    Args:
        seeds: seeds of every combination.
        count: combinations that method=random draws; None = the file's `run_cap`.

    Raises:
        ConfigError: if the file is no sweep, or one that needs the server.
    """
    sweep = _read(file)
    check_choice("method", sweep.get("method", "grid"), ("grid", "random"))
    choices = {key: _choice(file, key, given) for key, given in sweep["parameters"].items()}
    if sweep.get("method", "grid") == "grid":
        combinations = _grid(file, choices)
    else:
        count = count or sweep.get("run_cap")
        if not count:
            raise ConfigError(f"{file} draws at random without an end; give --count=N or run_cap in the file")
        rng = np.random.default_rng(SEED)
        combinations = [{key: _draw(choice, rng) for key, choice in choices.items()} for _ in range(count)]
    names = _short_names(list(choices))
    rows = {
        ", ".join(f"{names[key]}={_shown(value)}" for key, value in values.items()): values for values in combinations
    }
    config = StudyConfig(rows=rows, seeds=seeds, values={"evaluate.split": "validation"})
    return Sweep(Study(file.stem, file.parent, config), _flags(sweep.get("command", [])))


def _read(file: Path) -> dict[str, Any]:
    sweep = read_yaml(file, "sweep file")
    if not isinstance(sweep.get("parameters"), dict) or not sweep["parameters"]:
        raise ConfigError(f"{file} is not a sweep: it has no `parameters`")
    cap = sweep.get("run_cap", 1)
    check(isinstance(cap, int) and cap >= 1, f"run_cap of {file}", cap, "an integer >= 1")
    return sweep


def _choice(file: Path, key: str, given: Any) -> dict[str, Any]:
    """A parameter with its distribution named, as W&B infers it."""
    if not isinstance(given, Mapping):
        raise ConfigError(f"parameter '{key}' in {file} needs value, values, or min and max")
    if "values" in given:
        named = f"values of '{key}' in {file}"
        check(isinstance(given["values"], list) and len(given["values"]) > 0, named, given["values"], "a list")
        return {"distribution": "categorical", **given}
    if "value" in given:
        return {**given, "distribution": "constant"}
    if "min" not in given or "max" not in given:
        raise ConfigError(f"parameter '{key}' in {file} needs value, values, or min and max")
    for bound in ("min", "max"):
        check(isinstance(given[bound], int | float), f"{bound} of '{key}' in {file}", given[bound], "a number")
    whole = isinstance(given["min"], int) and isinstance(given["max"], int)
    choice = {"distribution": "int_uniform" if whole else "uniform", **given}
    check_choice(f"distribution of '{key}'", choice["distribution"], DISTRIBUTIONS)
    lowest = 0 if choice["distribution"] == "log_uniform_values" else -math.inf
    fits = lowest < given["min"] <= given["max"]
    check(fits, f"min of '{key}' in {file}", given["min"], f"a number > {lowest} and <= max={given['max']}")
    return choice


def _grid(file: Path, choices: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    values = []
    for key, choice in choices.items():
        if "values" not in choice and "value" not in choice:
            raise ConfigError(f"parameter '{key}' in {file} is a range; method=grid needs value or values")
        values.append(choice["values"] if "values" in choice else [choice["value"]])
    return [dict(zip(choices, combination, strict=True)) for combination in itertools.product(*values)]


def _draw(choice: dict[str, Any], rng: np.random.Generator) -> Any:
    kind = choice["distribution"]
    if kind == "constant":
        return choice["value"]
    if kind == "categorical":
        return choice["values"][rng.choice(len(choice["values"]), p=choice.get("probabilities"))]
    low, high = choice["min"], choice["max"]
    if kind == "int_uniform":
        return int(rng.integers(low, high + 1))
    if kind == "log_uniform_values":
        return float(math.exp(rng.uniform(math.log(low), math.log(high))))
    value = float(rng.uniform(low, high))
    return value if kind == "uniform" else round(value / choice["q"]) * choice["q"]


def _short_names(keys: list[str]) -> dict[str, str]:
    """The last word of every key, or the whole key where the last words are equal."""
    last = [key.rpartition(".")[2] for key in keys]
    return {key: word if last.count(word) == 1 else key for key, word in zip(keys, last, strict=True)}


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _sets_data(flag: str) -> bool:
    return flag.startswith(GIVEN) and sets_data(Path(flag.removeprefix(GIVEN)))


def _flags(command: list[str]) -> list[str]:
    """The pipeline's flags of a sweep command; how far to run, where to and what to log are the study's to decide."""
    ours = ("--until=", "--out=", "--tracking.")
    return [part for part in command if part.startswith("--") and not part.startswith(ours)]
