"""Weights of positions: tables as training leaves them, and what the plot shows of them."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from tigerlite.evaluation.weight_profile import FILE, plot_weight_profile, read_weights


def test_tables_lose_their_padding_row_and_a_table_about_decoding_is_left_out(tmp_path):
    tables = {
        "front_greater": np.array([[2.0, 1.0, 0.0]], dtype=np.float32),
        "frequency": np.arange(9, dtype=np.float32).reshape(3, 3),
        "calibration": np.zeros((3, 3), dtype=np.float32),
    }
    save_file(tables, tmp_path / FILE)
    found = read_weights(tmp_path)
    assert found.keys() == {"front_greater", "frequency"}
    assert found["front_greater"].tolist() == [[2, 1, 0]]
    assert found["frequency"].tolist() == [[3, 4, 5], [6, 7, 8]]


def test_a_stage_that_weights_no_tokens_has_none(tmp_path):
    assert read_weights(tmp_path) == {}


def test_the_plot_shows_means_and_the_range_over_items():
    weights = {"front_greater": np.array([1.5, 1.0, 0.5]), "frequency": np.random.default_rng(0).random((100, 3))}
    (axes,) = plot_weight_profile(weights).axes
    front, frequency, plain = axes.get_lines()
    assert front.get_xydata().tolist() == [[1, 1.5], [2, 1.0], [3, 0.5]]
    assert frequency.get_ydata() == pytest.approx(weights["frequency"].mean(axis=0))
    assert set(plain.get_ydata()) == {1.0}
    assert len(axes.collections) == 1  # only the weights that differ between items have a band
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["front greater", "frequency"]
