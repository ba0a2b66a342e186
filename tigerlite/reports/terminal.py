"""Tables on the terminal, as wide as it is, 140 columns in a file."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tigerlite.evaluation.report import empty_table

if TYPE_CHECKING:
    from rich.console import Console


def console() -> "Console":
    """Where reports are printed."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 140, highlight=False)


def print_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print one table; the first column is left-aligned, numbers right."""
    table = empty_table(title, *columns)
    for row in rows:
        table.add_row(*row)
    console().print(table)
