"""The pictures of soft identifiers show what was logged and counted."""

import numpy as np
import pytest

from tigerlite.config import InputError
from tigerlite.evaluation.codes import codes_health
from tigerlite.evaluation.curves import Curve
from tigerlite.evaluation.soft_codes import plot_soft_training, plot_usage_entropy, soft_training


def curve(*values: float) -> Curve:
    return Curve(np.arange(len(values)), np.array(values))


def test_a_panel_per_quantity_and_a_line_per_level():
    curves = {
        "train/loss": curve(3.0, 2.0),
        "train/entropy/level1": curve(0.5, 0.2),
        "train/entropy/level2": curve(0.9, 0.6),
        "train/tokenizer_gradient": curve(0.1, 0.3),
    }
    entropy, gradient = plot_soft_training(curves).axes
    assert [line.get_ydata().tolist() for line in entropy.lines] == [[0.5, 0.2], [0.9, 0.6]]
    assert [line.get_ydata().tolist() for line in gradient.lines] == [[0.1, 0.3]]


def test_a_stage_without_soft_identifiers_is_one_line():
    with pytest.raises(InputError, match="they exist for a stage of method=unigrec"):
        plot_soft_training({"train/loss": curve(1.0)})


def test_bars_are_bits_of_use_level_by_level():
    even = codes_health(np.array([[0, 0], [1, 1], [2, 0], [3, 1]]), (4, 2))
    one = codes_health(np.array([[0], [0]]), (4,))
    (axes,) = plot_usage_entropy({"even": even, "one": one}).axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([2.0, 1.0, 0.0])
    assert [line.get_segments()[0][0][1] for line in axes.collections] == [2.0, 1.0]  # log2 of the sizes
    with pytest.raises(InputError, match="there is no run to show"):
        plot_usage_entropy({})


def test_the_picture_is_of_the_stage_that_trained_the_tokenizer(tmp_path):
    rows = {
        "pretrain": ["train/tokenizer_gradient,0.5", "train/entropy/level1,0.7"],
        "finetune": ["train/entropy/level1,0.2"],
    }
    folders = {}
    for stage, values in rows.items():
        folders[stage] = tmp_path / stage
        folders[stage].mkdir()
        lines = "".join(f"{stage},1,{stage}/{value}\n" for value in values)
        (folders[stage] / "metrics.csv").write_text("stage,step,name,value\n" + lines)
    (figure,) = soft_training(folders).values()
    assert [axes.lines[0].get_ydata().tolist() for axes in figure.axes] == [[0.7], [0.5]]
    # With a frozen tokenizer nothing moves that could be shown.
    assert soft_training({"finetune": folders["finetune"]}) == {}
