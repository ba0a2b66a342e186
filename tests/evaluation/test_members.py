"""The pictures show the numbers of `groups.json` and `members.json`."""

import pytest

from tigerlite.config import InputError
from tigerlite.evaluation.members import plot_choice, plot_scores


def test_scores_are_shown_less_their_mean_over_the_members():
    figure = plot_scores([{"epoch": 2, "scores": [10.0, 12.0]}, {"epoch": 4, "scores": [-3.0, -9.0]}])
    first, second, zero = figure.axes[0].get_lines()
    assert list(first.get_xdata()) == [2, 4]
    assert list(first.get_ydata()) == [-1.0, 3.0]
    assert list(second.get_ydata()) == [1.0, -3.0]
    assert list(zero.get_ydata()) == [0, 0]
    with pytest.raises(InputError, match="no updates to plot"):
        plot_scores([])


def test_members_stand_in_the_order_of_their_epochs_and_the_chosen_one_in_colour():
    members = [
        {"member": 0, "ndcg@10": 0.3, "source": {"epoch": 20}},
        {"member": 1, "ndcg@10": 0.2, "source": {"epoch": 25}},
        {"member": 2, "ndcg@10": 0.1, "source": {"epoch": 15}},
    ]
    axes = plot_choice({"chosen": 0, "members": members}).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [0.1, 0.3, 0.2]
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "member 2\nepoch 15",
        "member 0\nepoch 20",
        "member 1\nepoch 25",
    ]
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert colours[0] == colours[2] != colours[1]


def test_members_of_one_start_stand_side_by_side():
    sources = {member: {"epoch": epoch} for member, epoch in enumerate([20, 15])}
    members = [
        {"member": member, "ndcg@10": 0.1, "source": source, "start_epoch": start}
        for start in (90, 80)
        for member, source in sources.items()
    ]
    axes = plot_choice({"chosen": 1, "members": members}).axes[0]
    assert [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()] == [
        "member 1 epoch 15 from epoch 80",
        "member 0 epoch 20 from epoch 80",
        "member 1 epoch 15 from epoch 90",
        "member 0 epoch 20 from epoch 90",
    ]
