"""Imported identifiers: from the data set or from a file, and what cannot be imported."""

import json

import numpy as np
import pytest

from tigerlite.config import ConfigError, InputError
from tigerlite.tokenizers.imported import ImportedConfig, import_codes

IDENTIFIERS = np.array([[0, 0], [3, 1], [0, 5]], dtype=np.int32)


def test_identifiers_of_the_data_set_lose_their_padding_row_and_bound_their_levels():
    imported = import_codes(ImportedConfig(), IDENTIFIERS, ["x", "y"])
    assert imported.codes.tolist() == [[3, 1], [0, 5]]
    assert imported.codebook_sizes == (4, 6)
    assert import_codes(ImportedConfig(codebook_sizes=(8, 8)), IDENTIFIERS, ["x", "y"]).codebook_sizes == (8, 8)


def test_a_file_wins_over_the_data_set(tmp_path):
    file = tmp_path / "index.json"
    file.write_text(json.dumps({"y": ["<a_1>"], "x": ["<a_2>"]}))
    imported = import_codes(ImportedConfig(file=file), IDENTIFIERS, ["x", "y"])
    assert imported.codes.tolist() == [[2], [1]]


def test_what_cannot_be_imported_is_named():
    with pytest.raises(InputError, match=r"data set brings no identifiers; set tokenize.imported.file"):
        import_codes(ImportedConfig(), None, ["x"])
    for sizes in ((4, 5), (4, 6, 2)):
        with pytest.raises(InputError, match=r"does not hold the identifiers, which need at least \[4, 6\]"):
            import_codes(ImportedConfig(codebook_sizes=sizes), IDENTIFIERS, ["x", "y"])
    with pytest.raises(ConfigError, match=r"codebook_sizes=.* is out of range; allowed: integers >= 1"):
        ImportedConfig(codebook_sizes=(0,))
