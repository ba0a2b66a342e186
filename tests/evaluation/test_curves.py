"""Curves hold what training logged, in order, and the plots what the curves hold."""

import csv
import re

import pytest

from tigerlite.config import InputError
from tigerlite.evaluation.curves import alphas, plot_alpha, plot_losses, read_curves

ROWS = [
    (20, "finetune/train/loss", 2.0),
    (10, "finetune/train/loss", 3.0),
    (20, "finetune/valid/loss", 2.5),
    (20, "finetune/valid/ndcg@10", 0.1),
    (20, "epoch", 1),
    (10, "finetune/trajectory/alpha/front_greater", 0.5),
    (20, "finetune/trajectory/alpha/front_greater", 0.25),
    (10, "finetune/trajectory/alpha/frequency", 0.0),
    (20, "finetune/trajectory/alpha/frequency", 0.75),
]


@pytest.fixture
def stage(tmp_path):
    with (tmp_path / "metrics.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("stage", "step", "name", "value"))
        writer.writerows(("finetune", *row) for row in ROWS)
    return tmp_path


def test_curves_are_ordered_by_step_and_named_without_the_stage(stage):
    curves = read_curves(stage)
    assert curves["train/loss"].steps.tolist() == [10, 20]
    assert curves["train/loss"].values.tolist() == [3.0, 2.0]
    assert "valid/ndcg@10" in curves


def test_a_step_logged_again_after_an_interruption_has_its_later_value(stage):
    with (stage / "metrics.csv").open("a") as stream:
        stream.write("finetune,20,finetune/train/loss,1.5\n")
    assert read_curves(stage)["train/loss"].values.tolist() == [3.0, 1.5]


def test_a_stage_that_trains_nothing_is_one_clear_line(tmp_path):
    with pytest.raises(
        InputError, match=f"{re.escape(str(tmp_path))}.*holds no training curves; give a stage that trains"
    ):
        read_curves(tmp_path)


def test_alpha_has_a_line_per_objective(stage):
    curves = read_curves(stage)
    assert set(alphas(curves)) == {"front_greater", "frequency"}
    plain = {"train/loss": curves["train/loss"]}
    (axes,) = plot_alpha({"mixed": curves, "plain": plain}).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}
    assert lines == {"front greater": [[10, 0.5], [20, 0.25]], "frequency": [[10, 0], [20, 0.75]]}
    assert (axes.get_title(), axes.get_xlabel()) == ("mixed", "optimizer steps")
    assert [panel.get_title() for panel in plot_alpha({"one": curves, "two": curves}).axes] == ["one", "two"]


def test_a_run_of_one_objective_has_no_weights_to_show(stage):
    with pytest.raises(InputError, match="no mixing weights were logged; they exist for a run that mixes several"):
        plot_alpha({"plain": {"train/loss": read_curves(stage)["train/loss"]}})


def test_losses_have_a_line_per_run_that_logged_them(stage):
    curves = read_curves(stage)
    other = {"valid/loss": curves["valid/loss"]}
    panels = plot_losses({"a": curves, "b": other}).axes
    assert [len(panel.get_lines()) for panel in panels] == [1, 2, 1]
    assert [panel.get_title() for panel in panels] == ["training loss", "validation loss", "validation NDCG@10"]
    assert panels[0].get_lines()[0].get_xydata().tolist() == [[10, 3.0], [20, 2.0]]
