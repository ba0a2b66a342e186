"""Panels and bars; what to install where matplotlib is missing."""

import sys

import pytest

from tigerlite.config import InputError
from tigerlite.evaluation.canvas import grouped_bars, panels


def test_bars_of_a_group_stand_beside_each_other_around_its_place():
    _, (axes,) = panels(1)
    grouped_bars(axes, ["head", "tail"], {"a": [1.0, 2.0], "b": [3.0, 4.0]})
    middles = [bar.get_x() + bar.get_width() / 2 for bar in axes.patches]
    assert middles == pytest.approx([-0.2, 0.8, 0.2, 1.2])
    assert [bar.get_height() for bar in axes.patches] == [1, 2, 3, 4]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["head", "tail"]


def test_a_plot_without_matplotlib_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match=r"plots need matplotlib: pip install 'tigerlite\[plots\]'"):
        panels(2)
