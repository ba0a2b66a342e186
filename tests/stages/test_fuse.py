"""Text and teacher count as weighted; items that nobody consumed in training take no part in the teacher's half."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tigerlite.config import ConfigError, InputError
from tigerlite.data.dataset import RecDataset
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.recommenders.teacher import Teacher
from tigerlite.stages import fuse
from tigerlite.stages.fuse import FuseConfig

N = 6


@pytest.fixture
def dataset() -> RecDataset:
    """One user who consumes items 1..5 in training; item 6 is only a target."""
    return RecDataset(
        items=np.array([1, 2, 3, 4, 5, 6, 6], dtype=np.int32),
        offsets=np.array([0, 7]),
        train_ends=np.array([5]),
        validation=np.array([[0, 5]]),
        test=np.array([[0, 6]]),
        user_ids=["u"],
        item_ids=[f"i{item}" for item in range(N)],
        titles=[f"Item {item}" for item in range(N)],
    )


def embeddings(width: int, scale: float) -> np.ndarray:
    return np.random.default_rng(width).normal(5.0, scale, size=(N, width)).astype(np.float32)


def fused(dataset: RecDataset, out: Path, **weights) -> np.ndarray:
    text, teacher = ItemEmbeddings(embeddings(4, 100.0)), Teacher(torch.from_numpy(embeddings(3, 0.01)))
    return fuse.run(FuseConfig(**weights), text, dataset, teacher, out=out).matrix


def test_each_part_has_the_mean_squared_norm_of_its_weight(dataset, tmp_path):
    matrix = fused(dataset, tmp_path, text=2.0, collaborative=0.5)
    assert matrix.shape == (N, 7)
    assert (matrix[:, :4] ** 2).sum(axis=1).mean() == pytest.approx(2.0**2, rel=1e-5)
    assert (matrix[:5, 4:] ** 2).sum(axis=1).mean() == pytest.approx(0.5**2, rel=1e-4)
    np.testing.assert_allclose(matrix[:, :4].mean(axis=0), 0, atol=1e-5)


def test_an_item_without_training_interactions_has_no_collaborative_part(dataset, tmp_path):
    matrix = fused(dataset, tmp_path)
    assert (matrix[5, 4:] == 0).all()
    assert (matrix[:5, 4:] != 0).all()


def test_weight_zero_leaves_the_text_out(dataset, tmp_path):
    assert fused(dataset, tmp_path, text=0.0).shape == (N, 3)
    teacher = Teacher(torch.from_numpy(embeddings(3, 0.01)))
    alone = fuse.run(FuseConfig(text=0.0), None, dataset, teacher, out=tmp_path)
    assert np.array_equal(alone.matrix, fused(dataset, tmp_path, text=0.0))
    with pytest.raises(InputError, match="fuse.text=1 needs text embeddings"):
        fuse.run(FuseConfig(), None, dataset, teacher, out=tmp_path)


def test_a_teacher_of_another_size_and_weights_out_of_range_are_refused(dataset, tmp_path):
    with pytest.raises(InputError, match="the teacher has 2 items but the data set 6"):
        fuse.run(FuseConfig(), ItemEmbeddings(embeddings(4, 1.0)), dataset, Teacher(torch.zeros(2, 3)), out=tmp_path)
    with pytest.raises(ConfigError, match="collaborative=0 is out of range"):
        FuseConfig(collaborative=0)
