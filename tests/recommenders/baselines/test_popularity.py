"""Popularity against counting by hand."""

import torch

from tigerlite.recommenders.baselines.popularity import Popularity


def test_popularity_counts_training_interactions_only_and_breaks_ties_by_item_id(dataset):
    # training parts: [1 2 3], [1 2 2], [3 1 6] -> counts 1: 3, 2: 3, 3: 2, 6: 1, and 4, 5: 0
    items, scores = Popularity.fit(dataset).recommend(torch.tensor([[4]]), k=6)
    assert items.tolist() == [[1, 2, 3, 6, 4, 5]]
    assert scores.tolist() == [[3, 3, 2, 1, 0, 0]]


def test_exclusion_removes_the_history_and_leaves_empty_places(dataset):
    items, scores = Popularity.fit(dataset).recommend(torch.tensor([[1, 3, 0]]), k=6, exclude_history=True)
    assert items.tolist() == [[2, 6, 4, 5, 0, 0]]
    assert (scores[0, 4:] == -torch.inf).all()


def test_a_saved_and_loaded_model_answers_alike(dataset, tmp_path):
    popularity = Popularity.fit(dataset)
    popularity.save(tmp_path)
    histories = torch.tensor([[1, 2, 0], [3, 6, 1]])
    torch.testing.assert_close(Popularity.load(tmp_path).recommend(histories, 4), popularity.recommend(histories, 4))
