"""Progress of work that no Trainer runs: a bar with rate and remaining time on a terminal, silence in logs."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tigerlite.callbacks.terminal_progress import Rate

Item = TypeVar("Item")


def shown(items: Iterable[Item], *, total: int, description: str, console: Console | None = None) -> Iterator[Item]:
    """The items, with a bar that counts them.

    Args:
        items: what to go through.
        total: how many there are.
        description: what the bar is called.
        console: where to draw; None is the terminal, and nothing is drawn where there is none.

    >>> list(shown("ab", total=2, description="letters"))
    ['a', 'b']
    """
    if console is None and not sys.stdout.isatty():
        yield from items
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        yield from bar.track(items, total=total, description=description)
