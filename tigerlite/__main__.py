"""`tigerlite COMMAND`: the pipeline up to a stage, recommendations from a finished run, its report."""

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from tigerlite.command_line import guard, parse
from tigerlite.config import ConfigError, InputError, check_choice


@dataclass(frozen=True, kw_only=True)
class RecommendCommand:
    """Flags of `tigerlite recommend RUN`."""

    history: str = ""
    """External item ids, oldest first, separated by commas (required)."""
    k: int = 10
    """How many items."""
    exclude_history: bool = False
    """Never recommend an item of the history."""
    times: str = ""
    """When each item was interacted with, whole seconds separated by commas, for models that read times; empty = unknown."""


@dataclass(frozen=True, kw_only=True)
class ReportCommand:
    """`tigerlite report RUN` has no flags; `tigerlite report KIND RUN` says more, KIND being one of `tigerlite.reports.KINDS`."""


def stage(name: str, argv: Sequence[str]) -> None:
    """Run the pipeline up to one stage; what is finished is loaded."""
    from tigerlite.distributed import is_rank_zero
    from tigerlite.evaluation.figure import save_figure
    from tigerlite.evaluation.report import print_run
    from tigerlite.stages.pipeline import train
    from tigerlite.stages.pipeline_config import PipelineConfig

    description = f"The pipeline up to the stage {name}; finished stages are loaded, not run again."
    config = replace(parse(PipelineConfig, argv, program=f"tigerlite {name}", description=description), until=name)
    logging.basicConfig(
        level=logging.INFO if is_rank_zero() else logging.ERROR, format="%(message)s", stream=sys.stdout
    )
    run = train(config)
    if is_rank_zero():
        print_run(run.folders)
        save_figure(run.folders)


def recommend(argv: Sequence[str]) -> None:
    """Recommend items for one history with a finished run."""
    run, flags = _run_folder("recommend", argv, RecommendCommand, "Recommend items for a history with a finished run.")
    from tigerlite.serving.predictor import Predictor

    history = [item.strip() for item in flags.history.split(",") if item.strip()]
    if not history:
        raise InputError("--history is empty; give item ids, oldest first: --history=ID,ID")
    times = [_whole_seconds(flags.times)] if flags.times else None
    answer = Predictor.load(run).recommend([history], flags.k, flags.exclude_history, times)[0]
    if answer.unknown:
        print(f"not in the catalogue, skipped: {', '.join(answer.unknown)}", file=sys.stderr)
    if len(answer.items) < flags.k:
        print(f"only {len(answer.items)} items could be returned, not {flags.k}", file=sys.stderr)
    for place, (item, title, score) in enumerate(zip(answer.items, answer.titles, answer.scores, strict=True), 1):
        print(f"{place}\t{item}\t{title}\t{score:.4f}")


def _whole_seconds(times: str) -> list[int]:
    try:
        return [int(moment) for moment in times.split(",")]
    except ValueError:
        raise InputError(f"--times={times} is not whole seconds separated by commas: --times=SECONDS,SECONDS") from None


def report(argv: Sequence[str]) -> None:
    """Print statistics, identifiers, metrics and examples of a finished run; a KIND before the folder asks for more."""
    from tigerlite.reports import KINDS

    if argv and argv[0] in KINDS:
        return _report_kind(argv[0], *KINDS[argv[0]], argv[1:])
    kinds = "; ".join(f"{name}: {says}" for name, (says, _) in KINDS.items())
    description = f"Print what a finished run found. `tigerlite report KIND RUN` says more: {kinds}."
    if len(argv) > 1 and not argv[0].startswith("-") and not argv[1].startswith("-"):
        check_choice("KIND of tigerlite report KIND RUN", argv[0], tuple(KINDS))
    run, _ = _run_folder("report", argv, ReportCommand, description)
    from tigerlite.evaluation.figure import save_figure
    from tigerlite.evaluation.report import print_run
    from tigerlite.run_file import read_run

    folders = read_run(run)
    print_run(folders)
    save_figure(folders)


def _report_kind(name: str, says: str, module: str, argv: Sequence[str]) -> None:
    """Run one of `tigerlite.reports`."""
    kind = import_module(module)
    run, flags = _run_folder(f"report {name}", argv, kind.Flags, f"Of a finished run: {says}.")
    kind.report(run, flags)


COMMANDS: dict[str, tuple[str, Callable[[Sequence[str]], None]]] = {
    "prepare": ("read, filter and split interactions", lambda argv: stage("prepare", argv)),
    "encode": ("... and embed item text", lambda argv: stage("encode", argv)),
    "tokenize": ("... and train the tokenizer, export identifiers", lambda argv: stage("tokenize", argv)),
    "pretrain": ("... and pre-train the recommender", lambda argv: stage("pretrain", argv)),
    "finetune": ("... and train the recommender", lambda argv: stage("finetune", argv)),
    "calibrate": (
        "... and fit its temperature on validation",
        lambda argv: stage("calibrate", argv),
    ),
    "evaluate": ("... and evaluate it: the whole pipeline", lambda argv: stage("evaluate", argv)),
    "recommend": ("RUN --history=ID,ID --k=10: recommend with a finished run", recommend),
    "report": ("[KIND] RUN: print what a finished run found", report),
}


def main() -> None:
    """Entry point of the `tigerlite` command."""
    guard(lambda: _dispatch(sys.argv[1:]))


def _dispatch(argv: Sequence[str]) -> None:
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: tigerlite COMMAND [--help] [--config=FILE ...] [--KEY=VALUE ...]\n\ncommands:")
        for name, (description, _) in COMMANDS.items():
            print(f"  {name:<10} {description}")
        print("\n'tigerlite COMMAND --help' lists a command's keys with type, meaning and default.")
        return
    if argv[0] not in COMMANDS:
        import difflib

        near = difflib.get_close_matches(argv[0], COMMANDS, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise ConfigError(f"unknown command '{argv[0]}'{hint}; known: {', '.join(COMMANDS)}")
    COMMANDS[argv[0]][1](argv[1:])


def _run_folder(name: str, argv: Sequence[str], cls: type, description: str) -> tuple[Path, object]:
    """Split `RUN --flags`: the folder comes first."""
    if argv and argv[0] in ("-h", "--help"):
        parse(cls, argv, program=f"tigerlite {name} RUN", description=description)
    if not argv or argv[0].startswith("-"):
        raise ConfigError(f"tigerlite {name} needs the folder of a finished run first: tigerlite {name} RUN ...")
    return Path(argv[0]), parse(cls, argv[1:], program=f"tigerlite {name} RUN", description=description)


if __name__ == "__main__":
    main()
