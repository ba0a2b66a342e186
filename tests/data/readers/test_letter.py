"""LETTER's JSON files, small ones by hand."""

import json

import pytest

from tigerlite.columns import ITEM, ROW, USER
from tigerlite.config import InputError
from tigerlite.data.readers import letter
from tigerlite.data.readers.letter import LetterConfig


def write(folder, **files) -> None:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))


def test_users_keep_the_order_of_their_items(tmp_path):
    write(
        tmp_path,
        inter={"u": [3, "x", 3], "0": [1]},
        items={"3": {"title": "T", "tags": ["p", None], "item": 1}, "x": {}},
    )
    config = LetterConfig(items="items.json")
    tables = letter.read(tmp_path, config)
    rows = tables.interactions.collect()
    assert list(zip(rows[USER], rows[ITEM], rows[ROW], strict=True)) == [
        ("u", "3", 0),
        ("u", "x", 1),
        ("u", "3", 2),
        ("0", "1", 3),
    ]
    expected = {ITEM: ["3", "x"], "title": ["T", None], "tags": [["p"], []]}
    assert tables.items.collect().to_dict(as_series=False) == expected
    assert tables.identifiers is None
    assert letter.files(tmp_path, config) == [tmp_path / "inter.json", tmp_path / "items.json"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"inter": '{"u": [1,\n 2'}, r"inter\.json, line 2, column 3: not JSON"),
        ({"inter": [1]}, r"inter\.json: holds a list; expected one JSON object"),
        ({"inter": {"u": 1}}, "user 'u' has 1; expected a list of item ids"),
        ({"inter": {"u": [1.5]}}, "user 'u' has an item id that is neither a whole number nor a string"),
        ({"inter": {"u": [1, None]}}, "1 rows have no item id"),
        ({"inter": {"u": [1]}, "items": {"1": "T"}}, "item '1' has 'T'; expected an object of fields"),
        (
            {"inter": {"u": [1]}, "items": {}, "index": {"1": "<a_1>"}},
            "item '1' has '<a_1>'; expected a list of tokens",
        ),
        ({"inter": {"u": [1]}, "items": {}, "index": {"1": []}}, "expected a list of tokens"),
        ({"inter": {"u": [1]}, "items": {}}, r"index\.json does not exist; check prepare\.folder"),
        ({"inter": "[" * 100_000}, r"inter\.json: cannot be read as JSON"),
    ],
)
def test_damaged_files_are_refused(files, message, tmp_path):
    write(tmp_path, **files)
    names = {"items": "items.json" if "items" in files else None, "index": "index.json" if "items" in files else None}
    with pytest.raises(InputError, match=message):
        letter.read(tmp_path, LetterConfig(**names))


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "inter.json").write_bytes(b'{"u\xff": [1]}')
    with pytest.raises(InputError, match="not UTF-8 text at byte 3"):
        letter.read(tmp_path, LetterConfig())
