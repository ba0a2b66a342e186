"""Ranking by scores: the whole catalogue in order, ties by item id, exclusion, places that cannot be filled."""

from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tigerlite.recommenders import base
from tigerlite.recommenders.base import ScoringRecommender


class Fixed(ScoringRecommender):
    """The same scores for every history."""

    def __init__(self, values: list[float]) -> None:
        self.values = torch.tensor([values])

    name = "fixed"
    fingerprint = "0"

    def scores(self, histories: torch.Tensor) -> torch.Tensor:
        return self.values.expand(len(histories), -1)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.integers(-3, 3), min_size=1, max_size=8),
    history=st.lists(st.integers(0, 8), min_size=1, max_size=4),
    k=st.integers(1, 10),
    exclude=st.booleans(),
)
def test_ranking_equals_sorting_in_python(values, history, k, exclude):
    history = [item if item <= len(values) else 0 for item in history]
    allowed = [item for item in range(1, len(values) + 1) if not (exclude and item in history)]
    expected = sorted(allowed, key=lambda item: (-values[item - 1], item))[:k]
    # The score of padding is the highest and must not matter.
    items, scores = Fixed([9.0, *map(float, values)]).recommend(torch.tensor([history]), k, exclude_history=exclude)
    assert items[0].tolist() == expected + [0] * (k - len(expected))
    assert scores[0, : len(expected)].tolist() == [values[item - 1] for item in expected]
    assert (scores[0, len(expected) :] == -torch.inf).all()


def test_parts_of_the_users_are_ranked_as_all_at_once(monkeypatch):
    model = Fixed([0.0, 3.0, 2.0, 3.0, 1.0])
    histories = torch.tensor([[1, 0], [2, 3], [0, 0], [4, 1], [3, 0]])
    whole = model.recommend(histories, 3, exclude_history=True)
    monkeypatch.setattr(base, "MAX_SCORES", 11)  # two users at a time
    parts = model.recommend(histories, 3, exclude_history=True)
    assert torch.equal(parts.items, whole.items)
    assert torch.equal(parts.scores, whole.scores)


def test_exclusion_is_per_row_and_leaves_the_scores_of_the_model_alone():
    model = Fixed([0.0, 3.0, 2.0, 1.0])
    items, _ = model.recommend(torch.tensor([[1, 0], [2, 3], [0, 0]]), 2, exclude_history=True)
    assert items.tolist() == [[2, 3], [1, 0], [1, 2]]
    assert model.values.tolist() == [[0.0, 3.0, 2.0, 1.0]]


def test_an_item_that_scores_minus_infinity_is_never_returned():
    items, _ = Fixed([0.0, -float("inf"), 1.0]).recommend(torch.tensor([[0]]), 2)
    assert items.tolist() == [[2, 0]]
