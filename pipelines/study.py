"""Rows x data sets x seeds to one table: every run once, however often this is interrupted or started beside itself.

    python pipelines/study.py --study=configs/studies/demo.yaml
    python pipelines/study.py --study=configs/studies/attention.yaml --data=FOLDER
    python pipelines/study.py --study=configs/studies/attention.yaml --seeds=5 \\
        --config=configs/datasets/yelp_letter.yaml --prepare.folder=FOLDER/yelp
    python pipelines/study.py --study=configs/studies/token_weighting.yaml --data=FOLDER --dataset=yelp_letter \\
        --preset=configs/hardware/paper_gpu.yaml --finetune.tiger.epochs=200
    python pipelines/study.py --sweep=configs/sweeps/learning_rate.yaml --seeds=3

Flags of the pipeline (`python pipelines/tiger.py --help`) are accepted and hold for all rows. Runs are appended to
`RESULTS/STUDY/DATASET/records.jsonl`; beside it lie the table (Markdown, CSV) and its plot.
"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tigerlite.command_line import guard, parse
from tigerlite.config import ConfigError, check, known_keys
from tigerlite.studies.datasets import dataset_names
from tigerlite.studies.grid import save_grid
from tigerlite.studies.over import save_over
from tigerlite.studies.plan import plan, published, read_study, with_preset
from tigerlite.studies.report import print_study, save_study
from tigerlite.studies.runner import run_jobs
from tigerlite.studies.summary import summarise_study
from tigerlite.studies.sweeps import read_sweep


@dataclass(frozen=True, kw_only=True)
class StudyCommand:
    """What to run and where the table goes."""

    study: Path | None = None
    """A YAML file of rows, data sets and seeds (configs/studies/)."""
    sweep: Path | None = None
    """A W&B sweep YAML instead (grid or random): one row per combination, compared on validation, no server."""
    count: int | None = None
    """Combinations that a random sweep draws; null = the file's run_cap."""
    seeds: int | None = None
    """Seeds 0 .. N - 1 instead of the study's own."""
    dataset: str | None = None
    """Only this data set of the study; with --config, the name of the data (default: that of the data set's file)."""
    preset: Path | None = None
    """A config file (configs/hardware/) in the place of the study's own preset; values of the study and flags still win."""
    baseline: str | None = None
    """Row that the others are compared with, instead of the study's own; finished runs are only compared anew."""
    data: Path | None = None
    """Folder that the study's data folders are relative to."""
    results: Path = Path("results")
    """Folder of records and tables."""

    def __post_init__(self) -> None:
        if (self.study is None) == (self.sweep is None):
            given = "no study" if self.study is None else f"study={self.study} beside sweep={self.sweep}"
            raise ConfigError(
                f"{given} is given; allowed: one of --study=FILE (configs/studies/) and --sweep=FILE (configs/sweeps/)"
            )
        for name, value in (("seeds", self.seeds), ("count", self.count)):
            check(value is None or value >= 1, name, value, "an integer >= 1")


def main(argv: Sequence[str]) -> None:
    """Make the runs that are missing, then print and save the tables."""
    own, flags = split_flags(argv)
    command = parse(StudyCommand, own, program="pipelines/study.py", description=__doc__ or "")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    if command.sweep is not None:
        sweep = read_sweep(command.sweep, seeds=tuple(range(command.seeds or 1)), count=command.count)
        study, flags = sweep.study, sweep.flags_with(flags)
    else:
        study = read_study(command.study or Path())
        if command.seeds is not None:
            study = replace(study, config=replace(study.config, seeds=tuple(range(command.seeds))))
    if command.preset is not None:
        study = with_preset(study, command.preset)
    if command.baseline is not None:
        study = replace(study, config=replace(study.config, baseline=command.baseline))
    names = dataset_names(study, command.dataset, flags)
    plans = {name: plan(study, name, flags, data=command.data) for name in names}
    for name, jobs in plans.items():
        folder = command.results / study.name / name
        records = run_jobs(jobs, folder, study=study.name)
        summary = summarise_study(records, study.config.baseline_row, published(study, name))
        title = f"{study.name} on {name}"
        save_study(folder, title, summary, study.config.seeds_set)
        if command.sweep is not None:
            save_over(folder, records)
        else:
            save_grid(folder, records)
        print_study(title, summary, study.config.seeds_set)
        print(f"Records, table and plot are in {folder}")


def split_flags(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """This command's flags and the pipeline's, `--name value` joined to `--name=value`."""
    joined: list[str] = []
    for word in argv:
        if joined and not word.startswith("--") and "=" not in joined[-1]:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    mine = {f"--{key}" for key in (*known_keys(StudyCommand), "help")} | {"-h"}
    return [flag for flag in joined if flag.split("=")[0] in mine], [
        flag for flag in joined if flag.split("=")[0] not in mine
    ]


if __name__ == "__main__":
    guard(lambda: main(sys.argv[1:]))
