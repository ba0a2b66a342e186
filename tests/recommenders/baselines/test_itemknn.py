"""Item-kNN against counting pairs of items one by one."""

import numpy as np
import pytest
import torch

from tigerlite.config import ConfigError
from tigerlite.data.dataset import RecDataset
from tigerlite.recommenders.baselines import itemknn
from tigerlite.recommenders.baselines.itemknn import ItemKNN, ItemKNNConfig


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


@pytest.mark.parametrize("similarity", ["cosine", "cooccurrence"])
def test_neighbours_are_the_most_similar_items_whatever_is_in_memory_at_a_time(dataset, similarity, monkeypatch):
    monkeypatch.setattr(itemknn, "_ROWS", 3)
    whole = slow_similarity(dataset, similarity)
    knn = ItemKNN.fit(dataset, ItemKNNConfig(similarity=similarity, n_neighbours=2))
    for item, row in enumerate(whole):
        nearest = sorted((other for other in range(7) if row[other] > 0), key=lambda other: (-row[other], other))[:2]
        expected = np.zeros(7)
        expected[nearest] = row[nearest]
        if item:
            np.testing.assert_allclose(knn.scores(torch.tensor([[item]]))[0].numpy(), expected, atol=1e-6)


def test_an_item_consumed_twice_counts_its_user_once_and_is_not_its_own_neighbour(dataset):
    # Items 1 and 2 share users a ([1 2 3]) and b ([1 2 2]).
    scores = ItemKNN.fit(dataset, ItemKNNConfig(similarity="cooccurrence")).scores(torch.tensor([[2]]))
    assert scores[0].tolist() == [0, 2, 0, 1, 0, 0, 0]


def test_a_saved_and_loaded_model_answers_alike(dataset, tmp_path):
    config = ItemKNNConfig(window=2)
    knn = ItemKNN.fit(dataset, config)
    knn.save(tmp_path)
    histories = torch.tensor([[1, 2, 0], [3, 6, 1]])
    assert ItemKNN.load(tmp_path).fingerprint == knn.fingerprint
    torch.testing.assert_close(ItemKNN.load(tmp_path).recommend(histories, 4), knn.recommend(histories, 4))


def test_out_of_range_settings_are_refused():
    with pytest.raises(ConfigError, match="decay=0 is out of range"):
        ItemKNNConfig(decay=0)
    with pytest.raises(ConfigError, match="n_neighbours=-1 is out of range"):
        ItemKNNConfig(n_neighbours=-1)
    with pytest.raises(ConfigError, match="similarity='cosin' is unknown"):
        ItemKNNConfig(similarity="cosin")
