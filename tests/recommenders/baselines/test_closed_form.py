"""Popularity and item-kNN against counting by hand, and full rankings against sorting."""

import numpy as np
import pytest
import torch

from tigerlite.config import ConfigError
from tigerlite.data.dataset import RecDataset
from tigerlite.recommenders.baselines.itemknn import ItemKNN, ItemKNNConfig
from tigerlite.recommenders.baselines.popularity import Popularity


@pytest.fixture
def dataset() -> RecDataset:
    """Three users; the last two items of each are held out."""
    sequences = [[1, 2, 3, 4, 5], [1, 2, 2, 5, 4], [3, 1, 6, 2, 4]]
    offsets = np.cumsum([0] + [len(sequence) for sequence in sequences])
    return RecDataset(
        items=np.concatenate(sequences).astype(np.int32),
        offsets=offsets.astype(np.int64),
        train_ends=offsets[1:] - 2,
        validation=np.array([[user, offsets[user + 1] - 2] for user in range(3)]),
        test=np.array([[user, offsets[user + 1] - 1] for user in range(3)]),
        user_ids=list("abc"),
        item_ids=[f"i{item}" for item in range(1, 7)],
        titles=[f"Item {item}" for item in range(1, 7)],
    )


def test_popularity_counts_training_interactions_only_and_breaks_ties_by_item_id(dataset):
    # training parts: [1 2 3], [1 2 2], [3 1 6] -> counts 1: 3, 2: 3, 3: 2, 6: 1, and 4, 5: 0
    items, scores = Popularity.fit(dataset).recommend(torch.tensor([[4]]), k=6)
    assert items.tolist() == [[1, 2, 3, 6, 4, 5]]
    assert scores.tolist() == [[3, 3, 2, 1, 0, 0]]


def test_exclusion_removes_the_history_and_leaves_empty_places(dataset):
    items, scores = Popularity.fit(dataset).recommend(torch.tensor([[1, 3, 0]]), k=6, exclude_history=True)
    assert items.tolist() == [[2, 6, 4, 5, 0, 0]]
    assert (scores[0, 4:] == -torch.inf).all()


def slow_similarity(dataset: RecDataset, similarity: str) -> np.ndarray:
    """Users that have both items in training, counted one pair at a time."""
    n = dataset.n_items + 1
    parts = [
        set(dataset.items[start:end].tolist())
        for start, end in zip(dataset.offsets[:-1], dataset.train_ends, strict=True)
    ]
    table = np.zeros((n, n))
    for i in range(1, n):
        for j in range(1, n):
            if i != j:
                table[i, j] = sum(i in part and j in part for part in parts)
    if similarity == "cosine":
        users = np.array([max(1, sum(i in part for part in parts)) for i in range(n)])
        table /= np.sqrt(np.outer(users, users))
    return table


@pytest.mark.parametrize("similarity", ["cosine", "cooccurrence"])
@pytest.mark.parametrize(("window", "decay"), [(20, 1.0), (2, 0.5)])
def test_itemknn_equals_summing_pairs(dataset, similarity, window, decay):
    knn = ItemKNN.fit(dataset, ItemKNNConfig(similarity=similarity, window=window, decay=decay))
    table = slow_similarity(dataset, similarity)
    for history in ([3, 1, 2], [6], []):
        recent = history[::-1][:window]
        expected = sum((decay**age * table[item] for age, item in enumerate(recent)), np.zeros(7))
        padded = torch.tensor([[*history, 0, 0]])
        np.testing.assert_allclose(knn.scores(padded)[0].numpy(), expected, atol=1e-6)


def test_saved_and_loaded_baselines_answer_alike(dataset, tmp_path):
    histories = torch.tensor([[1, 2, 0], [3, 6, 1]])
    config = ItemKNNConfig(window=2)
    knn, popularity = ItemKNN.fit(dataset, config), Popularity.fit(dataset)
    knn.save(tmp_path)
    popularity.save(tmp_path)
    torch.testing.assert_close(ItemKNN.load(tmp_path, config).recommend(histories, 4), knn.recommend(histories, 4))
    torch.testing.assert_close(Popularity.load(tmp_path).recommend(histories, 4), popularity.recommend(histories, 4))


def test_out_of_range_settings_are_refused():
    with pytest.raises(ConfigError, match="decay=0 is out of range"):
        ItemKNNConfig(decay=0)
    with pytest.raises(ConfigError, match="similarity='cosin' is unknown"):
        ItemKNNConfig(similarity="cosin")
