"""Drift of codes between epochs, counted by hand."""

import numpy as np
import pytest

from tigerlite.config import InputError
from tigerlite.evaluation.drift import code_drift, plot_drift, plot_probabilities

CODES = np.array(
    [
        [[0, 0], [1, 1], [2, 2], [3, 3]],
        [[0, 0], [1, 9], [2, 2], [3, 3]],
        [[5, 0], [1, 9], [2, 8], [3, 3]],
    ]
)


def test_shares_are_averaged_over_the_pairs_of_a_gap():
    one, two = code_drift(CODES, [10, 11, 12], gaps=(1, 2, 3))
    # Gap 1: one item of four changes (level 2), then two (one per level).
    assert (one.gap, one.n_pairs, one.first, one.any) == (1, 2, (0 + 1 / 4) / 2, (1 / 4 + 2 / 4) / 2)
    assert one.levels == ((0 + 1 / 4) / 2, (1 / 4 + 1 / 4) / 2)
    assert (two.gap, two.n_pairs, two.first, two.any) == (2, 1, 1 / 4, 3 / 4)


def test_the_order_of_members_does_not_matter():
    assert code_drift(CODES[[2, 0, 1]], [12, 10, 11]) == code_drift(CODES, [10, 11, 12])


def test_epochs_that_do_not_name_the_members_are_refused():
    for epochs in ([1, 2], [1, 2, 2]):
        with pytest.raises(InputError, match="3 members need as many different epochs"):
            code_drift(CODES, epochs)


def test_plots_show_the_shares_and_the_draws():
    curves = plot_drift(code_drift(CODES, [10, 11, 12], gaps=(1, 2))).axes[0].get_lines()
    assert list(curves[0].get_ydata()) == [37.5, 75.0]
    assert list(curves[1].get_ydata()) == [12.5, 25.0]
    figure = plot_probabilities([{"epoch": 2, "p": [0.25, 0.75]}, {"epoch": 4, "p": [0.5, 0.5]}])
    assert list(figure.axes[0].get_lines()[1].get_ydata()) == [0.75, 0.5]
    with pytest.raises(InputError, match="no updates to plot"):
        plot_probabilities([])
