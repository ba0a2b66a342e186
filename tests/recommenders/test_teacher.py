"""A teacher's file knows which items its rows are."""

import re

import pytest
import torch
from safetensors.torch import save_file

from tigerlite.config import InputError
from tigerlite.recommenders.teacher import load_teacher, save_teacher

ITEMS = ["a", "b", "c"]


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "item_embeddings.safetensors"
    save_teacher(file, torch.arange(6.0).reshape(3, 2), ITEMS)
    return file


def test_what_was_saved_is_loaded(file):
    teacher = load_teacher(file, ITEMS)
    assert teacher.embeddings.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert teacher.fingerprint == load_teacher(file, list(ITEMS)).fingerprint


@pytest.mark.parametrize("items", [["b", "a", "c"], ["0", "a", "b"], ["a", "b"]], ids=["swapped", "shifted", "fewer"])
def test_other_items_or_another_order_are_refused(file, items):
    with pytest.raises(
        InputError, match=rf"was trained on 3 items in another order .* than the {len(items)} items here"
    ):
        load_teacher(file, items)


def test_a_file_that_is_missing_broken_or_not_a_teacher_is_named(file, tmp_path):
    with pytest.raises(InputError, match=r"teacher .*none\.safetensors does not exist; train one"):
        load_teacher(tmp_path / "none.safetensors", ITEMS)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(file.read_bytes()[:20])
    with pytest.raises(InputError, match=re.escape(f"teacher {broken} cannot be read")):
        load_teacher(broken, ITEMS)
    bare = tmp_path / "bare.safetensors"
    save_file({"embeddings": torch.zeros(3, 2)}, bare)
    with pytest.raises(InputError, match="an unknown number of items"):
        load_teacher(bare, ITEMS)


def test_an_embedding_that_is_not_finite_is_refused(file):
    save_teacher(file, torch.tensor([[1.0], [float("nan")], [0.0]]), ITEMS)
    with pytest.raises(InputError, match="holds NaN or infinity"):
        load_teacher(file, ITEMS)
