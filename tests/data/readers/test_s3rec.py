"""S3-Rec's lines beside LETTER's JSON files, small ones by hand."""

import json

import pytest

from tigerlite.columns import ITEM, USER
from tigerlite.config import InputError
from tigerlite.data.readers import s3rec
from tigerlite.data.readers.s3rec import S3RecConfig

BOTH = {"items": "items.json", "index": "index.json"}


def write(folder, lines: str, items: dict | None = None, index: dict | None = None) -> None:
    (folder / "sequences.txt").write_text(lines)
    for name, content in (("items", items), ("index", index)):
        if content is not None:
            (folder / f"{name}.json").write_text(json.dumps(content))


def test_the_offset_joins_sequences_and_json_files(tmp_path):
    index = {"0": ["<a_4>"], "1": ["<a_5>"], "2": ["<a_6>"]}
    write(tmp_path, "7 1 3 1\n\n8 2\n", {item: {"title": f"T{item}"} for item in "210"}, index)
    tables = s3rec.read(tmp_path, S3RecConfig(id_offset=-1, **BOTH))
    rows = tables.interactions.collect()
    assert list(zip(rows[USER], rows[ITEM], strict=True)) == [("7", "1"), ("7", "3"), ("7", "1"), ("8", "2")]
    assert tables.items.collect().to_dict(as_series=False) == {ITEM: ["3", "2", "1"], "title": ["T2", "T1", "T0"]}
    assert tables.identifiers == {"1": ["<a_4>"], "2": ["<a_5>"], "3": ["<a_6>"]}


@pytest.mark.parametrize(
    ("ids", "offset", "message"),
    [
        ("012", 0, r"3 items, the sequences have 3; with id_offset=0 1 of these are absent and 1 are in no sequence"),
        ("01", -1, "2 items, the sequences have 3; .*first: sequence item 3 is absent.*set prepare.s3rec.id_offset"),
        ("0123", -1, r"4 items, .*\(first: item 3 is in no sequence\)"),
        (["a"], 0, "item id 'a' is no whole number, so id_offset cannot be added to it"),
    ],
)
def test_json_files_that_name_other_items_are_refused(ids, offset, message, tmp_path):
    write(tmp_path, "7 1 3 1\n8 2\n", {item: {"title": "T"} for item in ids}, {item: ["<a_1>"] for item in ids})
    for names in ({"items": "items.json"}, {"index": "index.json"}):
        with pytest.raises(InputError, match=message):
            s3rec.read(tmp_path, S3RecConfig(id_offset=offset, **names))


@pytest.mark.parametrize("line", ["8 x", "8 -1", "8 0", "8 01", "8 1.5", "8 1_0", "8 ²"])
def test_a_line_that_is_no_sequence_is_refused(line, tmp_path):
    write(tmp_path, f"7 1 2\n{line}\n")
    with pytest.raises(
        InputError, match=r"sequences\.txt, line 2: expected 'user item item \.\.\.' with whole numbers"
    ):
        s3rec.read(tmp_path, S3RecConfig())


def test_a_user_on_two_lines_is_refused(tmp_path):
    write(tmp_path, "7 1 2\n7 3\n")
    with pytest.raises(InputError, match="line 2: user 7 has a line already"):
        s3rec.read(tmp_path, S3RecConfig())


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"sequences\.txt does not exist; check prepare\.folder"):
        s3rec.read(tmp_path, S3RecConfig())
