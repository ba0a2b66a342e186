"""`tigerlite report usage RUN --beside=OTHER`: how evenly the codes of two runs are used, level by level.

UniGRec (arXiv 2601.17438) shows the entropy of its codes' use beside TIGER's. Counted over items, of the identifiers that the
recommender writes: those after joint training where the tokenizer is trained with it. The digit that tells items with equal
codes apart is left out. Draws `usage_entropy.png` into the folder of RUN.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tigerlite.config import InputError
from tigerlite.evaluation.codes import LevelHealth, codes_health
from tigerlite.evaluation.pictures import save_figures
from tigerlite.evaluation.soft_codes import plot_usage_entropy, usage_entropy
from tigerlite.reports.run_folders import has_stage, picture_folder, stage_folder
from tigerlite.reports.terminal import console, print_table
from tigerlite.run_file import run_file
from tigerlite.stages.codebook_health import HEALTH
from tigerlite.tokenizers.bank import TokenizerBank


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Flags of `tigerlite report usage RUN`."""

    beside: Path | None = None
    """Another run, shown in the same picture; null = RUN alone."""
    pictures: bool = True
    """Draw the picture; needs matplotlib."""


def report(run: Path, flags: Flags) -> None:
    """Print the table and draw the picture.

    Raises:
        InputError: if a run has no identifiers, or both are the same one.
    """
    runs = [path.resolve() for path in (run, flags.beside) if path is not None]
    if len({run_file(path) for path in runs}) < len(runs):
        raise InputError(f"--beside={flags.beside} is the run itself; give another one")
    found = {name: usage(path) for name, path in zip(short_names(runs), runs, strict=True)}
    n_levels = max(map(len, found.values()))
    columns = ("run", *(f"level {level}" for level in range(1, n_levels + 1)))
    print_table("Entropy of the codes' use, bits (of the most there can be)", columns, usage_rows(found, n_levels))
    if flags.pictures:
        files = save_figures({"usage_entropy": plot_usage_entropy(found)}, picture_folder(run))
        console().print(f"Picture: {files['usage_entropy']}", soft_wrap=True)


def short_names(runs: Sequence[Path]) -> list[str]:
    """As many of the last parts of different paths as tell them apart; a run file without its ending.

    >>> short_names([Path("/runs/a/tiger.json"), Path("/runs/a/unigrec.json")]), short_names([Path("/a/run"), Path("/b/run")])
    (['tiger', 'unigrec'], ['a/run', 'b/run'])
    """
    parts = [(run.with_suffix("") if run.suffix == ".json" else run).parts for run in runs]
    lengths = range(1, max(map(len, parts)) + 1)
    names = (["/".join(each[-length:]) for each in parts] for length in lengths)
    return next((found for found in names if len(set(found)) == len(runs)), [str(run) for run in runs])


def usage(run: Path) -> list[LevelHealth]:
    """Use of every level's codes, without the digit.

    Raises:
        InputError: if the run has no identifiers.
    """
    tokenized = stage_folder(run, "tokenize")
    bank = TokenizerBank.load(_written(run) or tokenized)
    sizes = bank.vocab.codebook_sizes
    if (tokenized / HEALTH).is_file():
        sizes = sizes[: len(json.loads((tokenized / HEALTH).read_text())["levels"])]
    return codes_health(bank.primary[1:].cpu().numpy(), sizes)


def usage_rows(runs: Mapping[str, Sequence[LevelHealth]], n_levels: int) -> Iterator[list[str]]:
    """A row per run; levels that it lacks are empty."""
    for name, levels in runs.items():
        bits = zip(usage_entropy(levels), levels, strict=True)
        shown = [f"{found:.2f} of {math.log2(level.size):.2f}" for found, level in bits]
        yield [name, *shown, *[""] * (n_levels - len(levels))]


def _written(run: Path) -> Path | None:
    """The identifiers of the trained recommender, where there is one."""
    if not has_stage(run, "finetune", "pretrain"):
        return None
    folder = stage_folder(run, "finetune", "pretrain") / "bank"
    return folder if folder.is_dir() else None
