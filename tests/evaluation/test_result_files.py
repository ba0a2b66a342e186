"""Lists come back as they were written; what an old evaluation lacks is one line that says what to do."""

import json

import numpy as np
import pytest

from tigerlite.config import InputError
from tigerlite.evaluation.result_files import LISTS, SLICES, read_lists, read_results, write_lists


def test_lists_come_back_as_they_were_written(tmp_path):
    lists = {"tiger": np.array([[3, 1], [2, 0]]), "popularity": np.array([[1, 2], [1, 2]])[:, ::-1]}
    write_lists(tmp_path, lists)
    found = read_lists(tmp_path)
    assert {name: items.tolist() for name, items in found.items()} == {
        name: items.tolist() for name, items in lists.items()
    }
    assert found["tiger"].dtype == np.int32


def test_results_are_read_from_their_json_file(tmp_path):
    (tmp_path / SLICES).write_text(json.dumps({"n_users": 3}))
    assert read_results(tmp_path, SLICES) == {"n_users": 3}


@pytest.mark.parametrize(("read", "name"), [(read_lists, LISTS), (lambda folder: read_results(folder, SLICES), SLICES)])
def test_an_evaluation_without_the_file_says_how_to_evaluate_again(tmp_path, read, name):
    with pytest.raises(InputError, match=f"{name} does not exist: .*to evaluate again, delete .* and run the same"):
        read(tmp_path)
