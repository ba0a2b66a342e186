"""Rows of a bare matrix reach the right items by name, and whatever leaves their order open is refused."""

import numpy as np
import pytest

from tigerlite.config import InputError
from tigerlite.tokenizers.collaborative import Collaborative, read_collaborative

ITEMS = ["b", "d", "a"]
NAMES = ["a", "b", "c", "d"]
MATRIX = np.arange(8, dtype=np.float64).reshape(4, 2)


@pytest.fixture
def files(tmp_path):
    """An .npy file and its list of ids, as `write(matrix, names)` leaves them."""

    def write(matrix: np.ndarray = MATRIX, names: list[str] = NAMES) -> dict:
        np.save(tmp_path / "sasrec.npy", matrix)
        (tmp_path / "ids.txt").write_text("".join(f"{name}\n" for name in names))
        return {"file": tmp_path / "sasrec.npy", "ids": tmp_path / "ids.txt"}

    return write


def test_rows_are_brought_into_the_order_of_the_items_and_others_left_out(files):
    found = read_collaborative(**files(), item_ids=ITEMS, order="ids")
    assert found.matrix.tolist() == [[2.0, 3.0], [6.0, 7.0], [0.0, 1.0]]
    assert found.matrix.dtype == np.float32
    assert (found.n_items, found.dimensions) == (3, 2)


def test_rows_in_the_prepared_order_are_taken_as_they_are(files):
    found = read_collaborative(files()["file"], NAMES, order="prepared")
    assert found.matrix.tolist() == MATRIX.tolist()
    assert found.fingerprint == Collaborative(MATRIX).fingerprint != Collaborative(MATRIX + 1).fingerprint


def test_numbers_that_count_from_one_more_are_noticed_by_name(files):
    shifted = files(names=["1", "2", "3", "4"])
    with pytest.raises(
        InputError, match=r"lacks 1 of the data set's 4 items, e.g. '0'; its first id is '1': check that both"
    ):
        read_collaborative(**shifted, item_ids=["0", "1", "2", "3"], order="ids")


@pytest.mark.parametrize(
    ("matrix", "names", "message"),
    [
        (MATRIX, NAMES[:3], "names 3 items but .* has 4 rows; give one id for each row"),
        (MATRIX, ["a", "b", "b", "d"], "names the item 'b' 2 times"),
        (MATRIX[:, 0], NAMES, r"have shape \(4,\); allowed: \(items, dimensions\)"),
        (np.where(MATRIX == 6, np.nan, MATRIX), NAMES, "hold NaN or infinity in 1 of 3 rows, first in row 1; allowed"),
        (MATRIX.astype(str), NAMES, "collaborative embeddings are <U.* allowed: a matrix of real numbers"),
        (MATRIX.astype(object), NAMES, "are no .npy array of numbers .* write them with numpy.save"),
    ],
)
def test_files_that_do_not_fit_are_refused(files, matrix, names, message):
    with pytest.raises(InputError, match=message):
        read_collaborative(**files(matrix, names), item_ids=ITEMS, order="ids")


def test_a_matrix_without_an_order_or_with_other_rows_is_refused(files, tmp_path):
    file = files()["file"]
    with pytest.raises(
        InputError, match=r"does not say which row is which item; set tokenize.letter.ids .*order=prepared"
    ):
        read_collaborative(file, NAMES, order="ids")
    with pytest.raises(InputError, match="has 4 rows but the data set 3 items; leave out the row of padding, or name"):
        read_collaborative(file, ITEMS, order="prepared")
    with pytest.raises(
        InputError, match="has 4 rows but the data set 9 items; or name|4 rows but the data set 9 items"
    ):
        read_collaborative(file, list("abcdefghi"), order="prepared")
    with pytest.raises(InputError, match="list of item ids .*none.txt does not exist; set tokenize.letter.ids"):
        read_collaborative(file, NAMES, order="ids", ids=tmp_path / "none.txt")
    with pytest.raises(InputError, match=r"none.npy do not exist; set tokenize.letter.file .*teacher.enabled=true"):
        read_collaborative(tmp_path / "none.npy", NAMES, order="prepared")


def test_published_embeddings_of_instruments_are_in_the_order_of_the_numbers(test_data, tmp_path):
    ids = tmp_path / "ids.txt"
    ids.write_text("".join(f"{number}\n" for number in range(9922)))
    file = test_data / "instruments" / "sasrec-32d.npy"
    backwards = [str(number) for number in reversed(range(9922))]
    found = read_collaborative(file, backwards, order="ids", ids=ids)
    assert np.array_equal(found.matrix[::-1], np.load(file))
