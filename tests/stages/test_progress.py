"""A bar on a terminal, silence elsewhere; the items pass through either way."""

import io
import re

from rich.console import Console

from tigerlite.stages.progress import shown


def test_a_terminal_sees_name_count_and_rate():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    assert list(shown(iter(range(3)), total=3, description="evaluate", console=console)) == [0, 1, 2]
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())
    for part in ("evaluate", "3/3", "/s"):
        assert part in text


def test_a_log_sees_nothing(capsys):
    assert list(shown([1, 2], total=2, description="evaluate")) == [1, 2]
    assert capsys.readouterr().out == ""
