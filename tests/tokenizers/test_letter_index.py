"""LETTER's index JSON: what is read, and one line for what cannot be."""

import json

import numpy as np
import pytest

from tigerlite.config import InputError
from tigerlite.tokenizers.letter_index import read_letter_index, write_letter_index


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
        ("{", "is not JSON"),
        ("[1]", "must map item ids to lists"),
        ('{"x": ["<a_1>"]}', "lacks 1 of 2 items, e.g. 'y'"),
        ('{"x": ["<a_1>"], "y": ["<b_1>"]}', "item 'y' has .*; expected a list like"),
        ('{"x": ["<a_1>"], "y": ["a1"]}', "item 'y' has .*; expected a list like"),
        ('{"x": ["<a_1>"], "y": 3}', "item 'y' has 3; expected a list like"),
        ('{"x": ["<a_1>"], "y": ["<a_1>", "<b_1>"]}', "item 'y' has 2 codes, item 'x' 1"),
    ],
)
def test_unreadable_indices_are_refused(tmp_path, text, message):
    file = tmp_path / "index.json"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        read_letter_index(file, ["x", "y"])


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
