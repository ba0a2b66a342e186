"""The checks on item embeddings, and that they survive a round trip."""

import numpy as np
import pytest

from tigerlite.config import InputError
from tigerlite.encoders.embeddings import ItemEmbeddings, read_matrix


def test_saved_embeddings_load_with_the_same_numbers_and_fingerprint(tmp_path):
    embeddings = ItemEmbeddings(np.random.default_rng(0).standard_normal((5, 3)))
    embeddings.save(tmp_path)
    loaded = ItemEmbeddings.load(tmp_path, expected_items=5)
    np.testing.assert_array_equal(loaded.matrix, embeddings.matrix)
    assert loaded.fingerprint == embeddings.fingerprint
    assert (loaded.n_items, loaded.dimensions) == (5, 3)


def test_fingerprint_depends_on_numbers_and_shape_but_not_on_the_layout_in_memory():
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    fingerprint = ItemEmbeddings(matrix).fingerprint
    assert ItemEmbeddings(np.asfortranarray(matrix)).fingerprint == fingerprint
    assert ItemEmbeddings(matrix.astype(np.float64)).fingerprint == fingerprint
    assert ItemEmbeddings(matrix.reshape(3, 2)).fingerprint != fingerprint
    assert ItemEmbeddings(matrix + 1).fingerprint != fingerprint


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_a_number_that_is_not_finite_is_refused_with_its_item(bad):
    matrix = np.ones((4, 2))
    matrix[2, 1] = bad
    with pytest.raises(InputError, match=r"NaN or infinity in 1 of 4 rows, first in row 2 \(item id 3\)"):
        ItemEmbeddings(matrix)


def test_a_wrong_number_of_rows_is_refused_with_both_numbers(tmp_path):
    with pytest.raises(InputError, match=r"embeddings have 4 rows but the data set has 5 items"):
        ItemEmbeddings(np.ones((4, 2)), 5)
    ItemEmbeddings(np.ones((4, 2))).save(tmp_path)
    with pytest.raises(InputError, match=r"embeddings have 4 rows but the data set has 3 items"):
        ItemEmbeddings.load(tmp_path, expected_items=3)


@pytest.mark.parametrize(
    ("matrix", "given"),
    [
        (np.ones(4), r"float64 of shape \(4,\)"),
        (np.ones((0, 4)), r"float64 of shape \(0, 4\)"),
        (np.ones((2, 2), dtype=complex), "complex128"),
        (np.array([["a", "b"]]), "<U1"),
        ([[1.0, 2.0]], "list"),
    ],
)
def test_what_is_not_a_table_of_numbers_is_refused(matrix, given):
    with pytest.raises(InputError, match=rf"embeddings are {given}.*allowed: a matrix of real numbers"):
        ItemEmbeddings(matrix)


def test_a_missing_broken_or_pickled_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"missing.npy does not exist"):
        read_matrix(tmp_path / "missing.npy")
    contents = {"text.npy": b"1,2\n3,4\n", "empty.npy": b"", "zip.npy": b"PK\x03\x04broken"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "objects.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    np.save(tmp_path / "cut.npy", np.ones((100, 100)))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:5000])
    for name in [*contents, "objects.npy", "cut.npy"]:
        with pytest.raises(InputError, match=rf"{name} is not an .npy array of numbers") as caught:
            read_matrix(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"is not an .npy array of numbers"):
        read_matrix(tmp_path)
    np.savez(tmp_path / "several.npz", a=np.ones(2))
    with pytest.raises(InputError, match=r"several.npz is not an .npy array of numbers"):
        read_matrix(tmp_path / "several.npz")
