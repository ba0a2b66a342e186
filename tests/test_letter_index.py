"""LETTER's index JSON: what is read, and one line for what cannot be."""

import json

import numpy as np
import pytest

from tigerlite.config import InputError
from tigerlite.letter_index import codes_from_tokens, read_letter_index, write_letter_index


def test_letters_are_levels_and_numbers_codes(tmp_path):
    file = tmp_path / "index.json"
    file.write_text('{"7": ["<a_80>", "<b_235>", "<c_0>"], "9": ["<a_1>", "<b_2>", "<c_3>"]}')
    assert read_letter_index(file, ["9", "7"]).tolist() == [[0, 0, 0], [1, 2, 3], [80, 235, 0]]


def test_written_index_has_the_published_form(tmp_path):
    file = tmp_path / "index.json"
    write_letter_index(file, np.array([[0, 0], [12, 5]]), ["x"])
    assert json.loads(file.read_text()) == {"x": ["<a_12>", "<b_5>"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"index\.json, line 1, column 2: not JSON"),
        ("[1]", r"index\.json: holds a list; expected one JSON object"),
        ('{"x": ["<a_1>"]}', r"index\.json: 1 of 2 items have no semantic id \(first: 'y'\)"),
        ('{"x": ["<a_1>"], "y": 3}', "item 'y' has 3; expected a list of tokens"),
        ('{"x": ["<a_1>"], "y": ["b"]}', r"index\.json: item 'y' has token 'b' at level 1; expected '<a_NUMBER>'"),
    ],
)
def test_unreadable_indices_are_refused(tmp_path, text, message):
    file = tmp_path / "index.json"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        read_letter_index(file, ["x", "y"])


def test_codes_follow_the_order_of_the_items():
    identifiers = {"5": ["<a_7>", "<b_0>"], "x": ["<a_1>", "<b_255>"], "other": ["<a_9>"]}
    codes = codes_from_tokens(identifiers, ["x", "5"])
    assert codes.dtype == np.int32
    assert codes.tolist() == [[0, 0], [1, 255], [7, 0]]


@pytest.mark.parametrize(
    ("identifiers", "message"),
    [
        (
            {"x": ["<a_1>"]},
            r"the published identifiers: 1 of 2 items have no semantic id \(first: 'y'\); complete the index file",
        ),
        ({"x": ["<a_1>"], "y": ["<a_1>", "<b_2>"]}, "item 'y' has 2 tokens, item 'x' has 1; every item needs as many"),
        ({"x": ["<a_1>"], "y": ["<b_1>"]}, "item 'y' has token '<b_1>' at level 1; expected '<a_NUMBER>'"),
        ({"x": ["<a_1>"], "y": ["a1"]}, "item 'y' has token 'a1' at level 1"),
    ],
)
def test_incomplete_identifiers_are_refused(identifiers, message):
    with pytest.raises(InputError, match=message):
        codes_from_tokens(identifiers, ["x", "y"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.json does not exist"):
        read_letter_index(tmp_path / "absent.json", ["x"])


def test_writing_refuses_what_the_format_cannot_hold(tmp_path):
    with pytest.raises(InputError, match="has 26 level letters, the codes have 27 levels"):
        write_letter_index(tmp_path / "index.json", np.zeros((2, 27), dtype=int), ["x"])
    with pytest.raises(InputError, match="2 item ids were given for 1 items"):
        write_letter_index(tmp_path / "index.json", np.zeros((2, 2), dtype=int), ["x", "y"])


def test_a_code_too_large_for_any_codebook_is_refused(tmp_path):
    file = tmp_path / "index.json"
    file.write_text('{"a": ["<a_99999999999>"]}')
    with pytest.raises(InputError, match="a_99999999999"):
        read_letter_index(file, ["a"])
