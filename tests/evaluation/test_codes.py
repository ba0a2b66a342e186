"""Codebook health: hand-worked values, scipy as judge of the entropy, and a plot that shows what it says."""

import math
import sys

import numpy as np
import pytest
from scipy.stats import entropy

from tigerlite.config import InputError
from tigerlite.evaluation.codes import codes_health, collision_rate, level_health, plot_codebook_usage


def test_perplexity_is_one_for_one_code_and_k_for_even_use():
    assert level_health(np.zeros(50, dtype=int), 8).perplexity == 1
    assert level_health(np.arange(80) % 8, 8).perplexity == pytest.approx(8)


def test_hand_worked_level():
    health = level_health(np.array([0, 0, 0, 2]), 4)
    assert (health.size, health.used, health.dead) == (4, 2, 2)
    assert health.perplexity == pytest.approx(math.exp(-(3 / 4 * math.log(3 / 4) + 1 / 4 * math.log(1 / 4))))


def test_perplexity_equals_scipys_entropy():
    codes = np.random.default_rng(0).geometric(0.1, 500) % 32
    assert level_health(codes, 32).perplexity == pytest.approx(np.exp(entropy(np.bincount(codes, minlength=32))))


def test_every_level_is_judged_by_its_own_size():
    codes = np.array([[0, 0], [1, 0], [0, 1]])
    assert [(level.used, level.dead) for level in codes_health(codes, (2, 5))] == [(2, 0), (2, 3)]


def test_collision_rate_counts_all_but_the_first_holder():
    assert collision_rate(np.array([[1, 1], [1, 1], [1, 1], [1, 2], [2, 1]])) == pytest.approx(2 / 5)
    assert collision_rate(np.array([[1, 1], [1, 2]])) == 0


def test_the_plot_has_a_sorted_panel_per_level_with_its_perplexity():
    codes = np.array([[0, 2], [0, 1], [1, 2], [0, 2]])
    figure = plot_codebook_usage(codes, (3, 4))
    assert len(figure.axes) == 2
    heights = [[bar.get_height() for bar in axes.patches] for axes in figure.axes]
    assert heights == [[3, 1, 0], [3, 1, 0, 0]]
    perplexity = level_health(codes[:, 0], 3).perplexity
    assert figure.axes[0].get_title() == f"level 1: perplexity {perplexity:.0f} of 3"


def test_a_plot_without_matplotlib_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match=r"plots need matplotlib: pip install 'tigerlite\[plots\]'"):
        plot_codebook_usage(np.zeros((2, 1), dtype=int), (2,))
