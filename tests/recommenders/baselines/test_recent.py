"""Recent against what it says: the latest visits first, then what is popular."""

import torch

from tigerlite.recommenders.baselines.popularity import Popularity
from tigerlite.recommenders.baselines.recent import Recent
from tigerlite.recommenders.saved import load_recommender


def test_the_latest_visits_come_first_and_then_what_is_popular(dataset):
    # counts 1: 3, 2: 3, 3: 2, 6: 1, and 4, 5: 0
    items, scores = Recent.fit(dataset).recommend(torch.tensor([[4, 6, 4, 5], [6, 3, 0, 0]]), k=6)
    assert items.tolist() == [[5, 4, 6, 1, 2, 3], [3, 6, 1, 2, 4, 5]]
    assert scores[0].tolist() == [4, 3, 2, 0.75, 0.75, 0.5]


def test_an_empty_history_and_an_excluded_one_leave_popularity(dataset):
    recent, popularity = Recent.fit(dataset), Popularity.fit(dataset)
    histories = torch.tensor([[0, 0], [4, 5]])
    assert torch.equal(recent.recommend(histories[:1], 6).items, popularity.recommend(histories[:1], 6).items)
    excluded = recent.recommend(histories, 6, exclude_history=True)
    assert torch.equal(excluded.items, popularity.recommend(histories, 6, exclude_history=True).items)


def test_a_saved_and_loaded_model_is_recent_again(dataset, tmp_path):
    recent = Recent.fit(dataset)
    recent.save(tmp_path)
    loaded = load_recommender(tmp_path)
    assert (loaded.name, loaded.fingerprint) == ("recent", recent.fingerprint)
    assert recent.fingerprint != Popularity.fit(dataset).fingerprint
    histories = torch.tensor([[1, 2, 0], [3, 6, 1]])
    torch.testing.assert_close(loaded.recommend(histories, 4), recent.recommend(histories, 4))
