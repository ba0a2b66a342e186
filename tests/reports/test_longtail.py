"""The table of training frequencies against a method of the run and against another run."""

import math
from collections import Counter

import pytest

from tests.reports.conftest import Next, finished_run
from tigerlite.config import ConfigError, InputError
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import item_counts
from tigerlite.evaluation.long_tail import FrequencyGroup
from tigerlite.reports import longtail
from tigerlite.reports.longtail import Flags, compared, group_rows


def test_groups_are_of_training_frequency_and_hold_the_users_metrics(run, tmp_path):
    other = finished_run(tmp_path / "third", Next(skipped=2))  # right for all users but the first
    dataset = RecDataset.load(run / "prepare-1")
    frequencies = item_counts(dataset)[dataset.items[dataset.test[:, 1]]]
    groups = compared(run, Flags(baseline=str(other), metric="recall@1", width=1, n_groups=100))
    assert {group.low: group.n_users for group in groups} == dict(Counter(frequencies.tolist()))
    for group in groups:
        members = frequencies == group.low
        assert group.value == members[0] / members.sum()
        assert group.baseline == members[1:].sum() / members.sum()


def test_a_method_of_the_same_evaluation_is_a_baseline_and_the_picture_is_drawn(run, capsys):
    longtail.report(run, Flags(baseline="popularity"))
    out = capsys.readouterr().out
    assert "recall@10 against popularity" in out
    assert "[0, 20)" in out
    assert (run / "long_tail.png").is_file()


def test_an_improvement_over_nothing_is_a_dash():
    group = FrequencyGroup(0, 20, n_users=1, n_items=1, value=1.0, baseline=0.0, interval=(math.nan, math.nan))
    half = FrequencyGroup(20, None, n_users=4, n_items=2, value=0.25, baseline=0.5, interval=(-0.5, 0.125))
    assert list(group_rows([group, half])) == [
        ("[0, 20)", "1", "1", "1.0000", "0.0000", "–", "–"),
        ("[20, ∞)", "4", "2", "0.2500", "0.5000", "-50.0 %", "-0.5000 to +0.1250"),
    ]


def test_unknown_baselines_and_other_users_are_refused(run, tmp_path):
    with pytest.raises(
        InputError, match="baseline='itemknn' is neither a run nor a method of this one; methods: next, pop"
    ):
        longtail.report(run, Flags())
    other = finished_run(tmp_path / "validation", Next())
    import polars as pl

    file = other / "evaluate-1" / "ranks.parquet"
    pl.read_parquet(file).head(3).write_parquet(file)
    with pytest.raises(InputError, match="hold different users or held-out items; compare runs on one prepared"):
        longtail.report(run, Flags(baseline=str(other)))


def test_flags_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="metric='recal@10' is unknown; .*did you mean 'recall@10'"):
        Flags(metric="recal@10")
    with pytest.raises(ConfigError, match="width=0 is out of range"):
        Flags(width=0)
    with pytest.raises(ConfigError, match="n_groups=0 is out of range"):
        Flags(n_groups=0)
