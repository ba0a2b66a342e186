"""Lines over two settings: keys that change together are one, other differences make no picture."""

import pytest

from tigerlite.config import InputError
from tigerlite.studies.grid import FIGURE, plot_metric_grid, save_grid, swept_settings


def record(members: int, layers: int, value: float, seed: int = 0, **changes) -> dict:
    tiger = {"n_encoder_layers": layers, "n_decoder_layers": layers, "head": "level", "seed": seed}
    config = {"pretrain": {"central": members, "tiger": tiger | changes}}
    return {"row": f"m{members}_l{layers}", "config": config, "metrics": {"ndcg@10": value}}


RECORDS = [
    record(1, 2, 0.1),
    record(5, 2, 0.2),
    record(5, 2, 0.4, seed=1),
    record(25, 2, 0.25),
    record(1, 4, 0.05),
    record(5, 4, 0.3),
    record(25, 4, 0.5),
]
KEYS = ["pretrain.central", "pretrain.tiger.n_encoder_layers"]


def test_settings_are_the_numbers_that_differ_and_layers_of_both_stacks_are_one():
    assert swept_settings(RECORDS) == KEYS
    assert swept_settings(RECORDS[:4]) == KEYS[:1]
    assert swept_settings(RECORDS[:1]) == []


def test_rows_that_differ_in_a_word_make_no_picture(tmp_path):
    others = [*RECORDS, record(1, 8, 0.1, head="vocabulary")]
    assert swept_settings(others) == []
    save_grid(tmp_path, others)
    assert not (tmp_path / FIGURE).exists()
    save_grid(tmp_path, RECORDS)
    assert (tmp_path / FIGURE).stat().st_size > 0


def test_each_line_has_the_means_of_its_value():
    axes = plot_metric_grid(RECORDS, *KEYS).axes[0]
    two, four = [container.lines[0] for container in axes.containers]
    assert two.get_xydata().flatten() == pytest.approx([1, 0.1, 5, 0.3, 25, 0.25])
    assert four.get_xydata().flatten() == pytest.approx([1, 0.05, 5, 0.3, 25, 0.5])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["n_encoder_layers 2", "n_encoder_layers 4"]
    (single,) = plot_metric_grid(RECORDS[:4], KEYS[0]).axes[0].containers
    assert single.lines[0].get_ydata() == pytest.approx([0.1, 0.3, 0.25])


def test_lines_over_something_else_are_refused():
    with pytest.raises(InputError, match="pretrain.tiger.head='level' of row 'm1_l2' is no number"):
        plot_metric_grid(RECORDS, KEYS[0], "pretrain.tiger.head")
