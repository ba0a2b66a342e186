"""What next-item models read beside item ids, asked for by external ids: times, and features of items."""

import numpy as np
import pytest
import torch

from tigerlite import InputError, Predictor
from tigerlite.recommenders.baselines.popularity import Popularity
from tigerlite.recommenders.nextitem import NextItem

IDS = ["a", "b", "c", "d"]
FEATURES = torch.tensor([[0, 0], [2, 3], [3, 0], [1, 0], [2, 0]])  # c has none


def predictor(network: str, **section) -> Predictor:
    torch.manual_seed(0)
    settings = {"network": network, network: {"d_model": 8, "dropout": 0.0, **section}, "max_history": 3}
    model = NextItem(settings, torch.arange(len(IDS) + 1), features=FEATURES)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return Predictor(model.eval(), IDS, IDS)


def test_times_reach_the_model_without_those_of_unknown_items():
    asked = predictor("hstu", time_bias=True)
    histories, times = [["a", "b", "c"], ["d", "new", "a"]], [[0, 10, 5000], [7, 8, 9]]
    found = asked.recommend(histories, 4, times=times)
    expected = asked.model.recommend(torch.tensor([[1, 2, 3], [4, 1, 0]]), 4, torch.tensor([[0, 10, 5000], [7, 9, 0]]))
    assert [answer.scores for answer in found] == expected.scores.tolist()
    assert [answer.scores for answer in found] != [answer.scores for answer in asked.recommend(histories, 4)]
    assert found == asked.recommend(histories, 4, times=[np.array(row) for row in times])


def test_a_model_without_times_answers_as_if_none_were_given():
    for asked in (predictor("hstu"), Predictor(Popularity(np.arange(5.0)), IDS, IDS)):
        assert asked.recommend([["a", "b"]], 3, times=[[9, 7]]) == asked.recommend([["a", "b"]], 3)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([[1, 2]], "got 2 histories and times of 1; give times for each, or for none"),
        ([[1, 2], [1, 2]], "history 2 has 3 items and 2 times; give one time for each item"),
        ([[1, 2], [1, 2.5, 3]], r"history 2 has the time 2\.5; give whole seconds"),
        ([[1, 2], [1, 3, 2]], "the times of history 2 fall from 3 to 2; give histories oldest first"),
    ],
)
def test_times_that_do_not_fit_are_one_line(times, message):
    with pytest.raises(InputError, match=message):
        predictor("hstu", time_bias=True).recommend([["a", "b"], ["b", "c", "d"]], 3, times=times)


def test_items_without_features_are_read_and_unknown_items_have_none_to_look_up():
    asked = predictor("fdsa")
    without, featureless = asked.recommend([["a", "b"], ["a", "c"]], 4)
    assert sorted(without.items) == sorted(featureless.items) == IDS
    assert np.isfinite(featureless.scores).all()
    (mixed,) = asked.recommend([["a", "new", "b"]], 4)
    assert (mixed.items, mixed.unknown) == (without.items, ["new"])
    assert mixed.scores == pytest.approx(without.scores, rel=1e-4)
