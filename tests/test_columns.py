"""Column names are distinct, described, and written nowhere else where they could drift apart."""

import ast
from pathlib import Path

import pytest

from tigerlite import columns

NAMES = {name: value for name, value in vars(columns).items() if name.isupper()}
PACKAGE = Path(columns.__file__).parent
# Other words of the vocabulary (user, item, rank, ...) are also values or defaults of settings.
OWN = {columns.TARGET, columns.HISTORY_LENGTH}


def test_names_are_distinct_and_described():
    assert len(set(NAMES.values())) == len(NAMES)
    for name in NAMES:
        assert f"`{name}" in columns.__doc__


@pytest.mark.parametrize("folder", ["data", "stages", "evaluation"])
def test_what_is_written_is_named_by_the_constants(folder):
    for file in (PACKAGE / folder).rglob("*.py"):
        literals = {node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)}
        assert not literals & OWN, file
