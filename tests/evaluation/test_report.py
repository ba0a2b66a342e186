"""The report: every number of the files is on the page, as far as the run went."""

import json

import pytest
from rich.console import Console

from tigerlite.evaluation.report import (
    codebook_table,
    example_lines,
    metrics_table,
    print_run,
    statistics_table,
    temperature_line,
)

STATISTICS = {"users": 30431, "mean_length": 10.396, "filters": [{"name": "x"}], "content_hash": "0f3a"}
HEALTH = {
    "n_items": 20033,
    "n_distinct": 19201,
    "n_duplicates": 832,
    "collision_rate": 832 / 20033,
    "collisions": "nearest_free",
    "levels": [{"size": 256, "used": 250, "perplexity": 201.26, "dead": 6}],
}
METRICS = {
    "tiger": {"recall@10": 0.06241, "recall@10_se": 0.00139},
    "popularity": {"recall@10": 0.0123, "recall@10_se": 0.0006},
}
EXAMPLES = [
    {
        "user": "u7",
        "history": ["Alien", "Aliens"],
        "recommended": [["Heat", -1.234], ["Alien 3", -2.5]],
        "held_out": "Alien 3",
    }
]


def settings(**changes) -> dict:
    return {"split": "test", "n_users": 30431, "exclude_history": False, **changes}


def text_of(table) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_statistics_show_numbers_and_words_and_leave_out_lists():
    text = text_of(statistics_table(STATISTICS))
    assert "30,431" in text
    assert "mean length" in text
    assert "10.4" in text
    assert "0f3a" in text
    assert "filters" not in text


def test_codebook_health_says_what_collided_and_how_each_level_is_used():
    words = text_of(codebook_table(HEALTH)).split()
    title = "Identifiers: 19,201 distinct of 20,033 (collision rate 4.15%), 832 duplicates resolved by nearest_free"
    assert words[: len(title.split())] == title.split()
    assert words[-5:] == ["1", "256", "250", "201.3", "6"]


def test_the_temperature_is_shown_with_what_it_brought():
    found = {"temperature": 1.4944, "loss_before": 9.6603, "loss_after": 8.7095, "n_targets": 3231}
    wanted = "Temperature 1.494, fitted on 3,231 validation users: cross-entropy of an item 9.660 -> 8.710 nats"
    assert temperature_line(found) == wanted


@pytest.mark.parametrize(
    ("exclude", "rule"),
    [(True, "history excluded in all rows"), (False, "history not excluded in all rows")],
)
def test_metrics_have_standard_errors_and_one_stated_rule_for_all_rows(exclude, rule):
    table = metrics_table(METRICS, settings(exclude_history=exclude), shown=("recall@10",))
    text = " ".join(text_of(table).split())  # a title is broken at the table's width
    assert f"test split, 30,431 users, all items ranked, {rule}" in text
    assert text.endswith("popularity 0.0123 ± 0.0006 tiger 0.0624 ± 0.0014")  # the baselines first


def test_examples_mark_a_held_out_item_that_was_recommended():
    lines = example_lines(EXAMPLES)
    assert lines == [
        "User u7",
        "  history (latest last): Alien | Aliens",
        "  1. Heat  (-1.23)",
        "  2. Alien 3  (-2.50)",
        "  held out: Alien 3  (recommended)",
        "",
    ]
    missed = [{**EXAMPLES[0], "held_out": "Casino"}]
    assert "  held out: Casino" in example_lines(missed)


def written(out, *stages: str) -> dict:
    contents = {
        "prepare": {"statistics.json": STATISTICS},
        "tokenize": {"codebook_health.json": HEALTH},
        "evaluate": {
            "metrics.json": {
                "metrics": {
                    "tiger": {f"{m}@{k}{se}": 0.5 for m in ("recall", "ndcg") for k in (5, 10) for se in ("", "_se")}
                },
                "settings": settings(),
            },
            "examples.json": EXAMPLES,
        },
    }
    for stage in stages:
        (out / f"{stage}-1").mkdir()
        for name, content in contents[stage].items():
            (out / f"{stage}-1" / name).write_text(json.dumps(content))
    return {stage: out / f"{stage}-1" for stage in stages}


def test_a_run_is_printed_as_far_as_it_went(tmp_path, capsys):
    print_run(written(tmp_path, "prepare"))
    printed = capsys.readouterr().out
    assert "30,431" in printed
    assert "Identifiers" not in printed
    everything = tmp_path / "all"
    everything.mkdir()
    print_run(written(everything, "prepare", "tokenize", "evaluate"))
    printed = capsys.readouterr().out
    for part in ("Data set", "Identifiers", "all items ranked", "held out: Alien 3", "Everything is in"):
        assert part in printed
