"""One user's recommendations with codes: who is chosen, what is marked, what is refused."""

import re

import pytest

from tigerlite.config import ConfigError, InputError
from tigerlite.evaluation.result_files import LISTS
from tigerlite.reports import example
from tigerlite.reports.example import Flags


def printed(capsys, *given) -> list[str]:
    example.report(*given)
    return capsys.readouterr().out.splitlines()


def test_the_first_user_with_a_hit_is_shown_with_history_target_and_lists(run, capsys):
    lines = printed(capsys, run, Flags(k=2))
    assert lines[:8] == [
        "User u0, 3 items in the history, the latest last",
        "    [0 0] Item 1",
        "    [0 1] Item 2",
        "    [0 2] Item 3",
        "Held out: [0 3] Item 4",
        f"next ({run})",
        "  1. [0 3] Item 4  <- held out",
        "  2. [0 4] Item 5  (shares 1 of 2 codes)",
    ]
    assert lines[8] == f"popularity ({run})"
    assert len(lines) == 11


@pytest.mark.parametrize(
    ("user", "target", "recommended"),
    [
        ("u4", "[1 4] Item 11", "  1. [1 2] Item 9  (shares 1 of 2 codes)"),
        ("u1", "[1 1] Item 8", "  1. [0 5] Item 6"),  # another first code: nothing shared
    ],
)
def test_a_named_user_is_shown_and_first_codes_that_agree_are_counted(run, capsys, user, target, recommended):
    lines = printed(capsys, run, Flags(user=user, k=1))
    start = lines.index(f"next ({run})")
    assert lines[start - 1 : start + 2] == [f"Held out: {target}", f"next ({run})", recommended]


def test_another_run_shows_its_models_list_for_the_same_user(run, other_run, capsys):
    lines = printed(capsys, run, Flags(user="u0", k=1, against=other_run))
    assert lines[-2:] == [f"next ({other_run})", "  1. [0 4] Item 5  (shares 1 of 2 codes)"]


def test_a_run_without_identifiers_shows_titles_alone(unidentified_run, capsys):
    lines = printed(capsys, unidentified_run, Flags(k=2))
    assert lines[1] == "    Item 1"
    assert "  2. Item 5" in lines


def test_runs_on_other_data_are_not_compared(run, other_run):
    import polars as pl

    file = other_run / "evaluate-1" / "ranks.parquet"
    pl.read_parquet(file).head(9).write_parquet(file)
    with pytest.raises(InputError, match="holds other users or held-out items than .*; compare runs on one data set"):
        example.report(run, Flags(against=other_run))


def test_a_user_that_was_not_evaluated_is_refused(run):
    with pytest.raises(InputError, match="user=u99 was not evaluated; known are u0, u1, u2, ..."):
        example.report(run, Flags(user="u99"))


def test_without_any_hit_a_user_is_asked_for(run, other_run):
    lists = example.load_lists(other_run)
    lists.methods["next"][:] = 0
    dataset = example.RecDataset.load(other_run / "prepare-1")
    with pytest.raises(InputError, match="no held-out item is among the first 3 of next; raise --k or name a --user"):
        example.choose(lists, dataset, Flags())


def test_an_evaluation_without_lists_says_how_to_evaluate_again(run):
    (run / "evaluate-1" / LISTS).unlink()
    with pytest.raises(InputError, match=f"{re.escape(LISTS)} does not exist: evaluated by an earlier version"):
        example.report(run, Flags())


def test_more_recommendations_than_are_kept_are_refused():
    with pytest.raises(ConfigError, match=r"k=21 is out of range; allowed: an integer in 1\.\.20"):
        Flags(k=21)
