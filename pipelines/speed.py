"""Measures ours beside the usual alternative, interleaved in one process: `python pipelines/speed.py train --help`."""

import sys
from importlib import import_module

from tigerlite.command_line import guard, parse
from tigerlite.config import InputError

BENCHMARKS = (
    "train",
    "nextitem",
    "beam",
    "tokenizer",
    "tokenizer_quality",
    "collapse",
    "evaluate",
    "scale",
    "precision",
    "profile",
    "allocator",
    "objective",
    "mtgrec",
    "influence",
    "unigrec",
)


def main() -> None:
    """Run the benchmark named first on the command line; the flags after it are that benchmark's own."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in ("", "-h", "--help"):
        print(f"usage: python pipelines/speed.py {{{','.join(BENCHMARKS)}}} [--help] [--out=FILE.json] [flags]")
        return
    if name not in BENCHMARKS:
        raise InputError(f"benchmark {name!r} is unknown; allowed: {', '.join(BENCHMARKS)}")
    # The folder speed/ beside this script: a package comes before a module of the same name.
    benchmark = import_module(f"speed.{name}")
    benchmark.run(parse(benchmark.Config, sys.argv[2:], program=f"speed.py {name}", description=benchmark.__doc__))


if __name__ == "__main__":
    guard(main)
