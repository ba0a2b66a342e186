"""Weights of positions: tables as training leaves them, and what the plot shows of them."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from tigerlite.evaluation.weight_profile import FILE, plot_weight_profile, read_weights


@pytest.mark.parametrize(("n_members", "kept"), [(1, [1, 2]), (3, [1, 2, 4, 5, 7, 8])])
def test_tables_lose_the_padding_row_of_every_member(n_members, kept, tmp_path):
    frequency = np.arange(9.0 * n_members, dtype=np.float32).reshape(-1, 3)
    save_file({"front_greater": np.array([[2, 1, 0]], dtype=np.float32), "frequency": frequency}, tmp_path / FILE)
    found = read_weights(tmp_path, 2)
    assert found["front_greater"].tolist() == [[2, 1, 0]]
    assert found["frequency"].tolist() == frequency[kept].tolist()


def test_a_stage_that_weights_no_tokens_has_none(tmp_path):
    assert read_weights(tmp_path, 2) == {}


def test_the_plot_shows_means_and_the_range_over_items():
    weights = {"front_greater": np.array([1.5, 1.0, 0.5]), "frequency": np.random.default_rng(0).random((100, 3))}
    (axes,) = plot_weight_profile(weights).axes
    front, frequency, plain = axes.get_lines()
    assert front.get_xydata().tolist() == [[1, 1.5], [2, 1.0], [3, 0.5]]
    assert frequency.get_ydata() == pytest.approx(weights["frequency"].mean(axis=0))
    assert set(plain.get_ydata()) == {1.0}
    assert len(axes.collections) == 1  # only the weights that differ between items have a band
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["front greater", "frequency"]
