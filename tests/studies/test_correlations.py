"""Which figures predict: correlations against scipy, intervals that cover."""

import numpy as np
import pytest
from scipy import stats
from toy_identifier_sets import made

from tigerlite.config import InputError
from tigerlite.studies.correlations import correlate, plot_correlations, spearman, spearman_interval


def test_rank_correlations_equal_scipys_with_ties():
    generator = np.random.default_rng(0)
    values, scores = generator.integers(0, 5, (6, 30)), generator.integers(0, 8, (6, 30))
    expected = [stats.spearmanr(*pair).statistic for pair in zip(values, scores, strict=True)]
    assert spearman(values, scores).tolist() == pytest.approx(expected)


def test_figures_that_order_the_scores_come_first_and_predict():
    found = correlate(made(), n_resamples=500)
    assert [one.name for one in found[:2]] == ["bad", "good"]
    assert [one.rho for one in found[:2]] == [pytest.approx(-1), pytest.approx(1)]
    assert found[0].predicts
    assert found[2].name == "noise"
    assert not found[2].predicts
    assert "same" not in [one.name for one in found]


def test_an_interval_covers_the_true_correlation_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    true = 6 / np.pi * np.arcsin(0.6 / 2)  # of normal pairs with correlation .6
    covered = 0
    for draw in range(100):
        first, noise = generator.normal(size=(2, 40))
        low, high = spearman_interval(first, 0.6 * first + 0.8 * noise, n_resamples=300, seed=draw)
        covered += low <= true <= high
    assert covered >= 85


def test_copies_of_a_row_make_no_interval_narrower():
    generator = np.random.default_rng(1)
    first, noise = generator.normal(size=(2, 12))
    second = 0.6 * first + 0.8 * noise
    alone = spearman_interval(first, second, n_resamples=2000)
    copied = spearman_interval(np.tile(first, 3), np.tile(second, 3), list(range(12)) * 3, n_resamples=2000)
    assert copied == pytest.approx(alone, abs=0.02)
    taken_apart = spearman_interval(np.tile(first, 3), np.tile(second, 3), n_resamples=2000)
    assert taken_apart[1] - taken_apart[0] < 0.7 * (alone[1] - alone[0])
    uneven = spearman_interval(first, second, ["a"] * 4 + list(range(8)), n_resamples=200)
    assert -1 <= uneven[0] < uneven[1] <= 1


def test_the_picture_shows_every_figure():
    pytest.importorskip("matplotlib")
    found = correlate(made(), n_resamples=200)
    (axes,) = plot_correlations(found).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [one.name for one in found]


def test_intervals_are_seeded():
    assert correlate(made(), n_resamples=200, seed=3) == correlate(made(), n_resamples=200, seed=3)
    assert correlate(made(), n_resamples=200, seed=3) != correlate(made(), n_resamples=200, seed=4)


def test_a_figure_that_some_sets_lack_is_judged_on_the_others():
    table = made()
    for entry in table[:4]:
        del entry["figures"]["good"]
    found = {one.name: one.n_sets for one in correlate(table, n_resamples=200)}
    assert found == {"good": 16, "bad": 20, "noise": 20}


def test_too_few_sets_are_refused():
    with pytest.raises(
        InputError, match="the study has 4 finished sets of identifiers; a correlation needs at least 5"
    ):
        correlate(made(4))
