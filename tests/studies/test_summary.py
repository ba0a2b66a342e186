"""Tables from records: means, deviations, corrected tests and costs, worked by hand or by calling the parts."""

import csv
import math

import numpy as np
import pytest

from tigerlite.config import InputError
from tigerlite.evaluation.ranking import ndcg, summarise
from tigerlite.evaluation.significance import compare_users, holm
from tigerlite.studies.figure import plot_study
from tigerlite.studies.plan import plan, read_study
from tigerlite.studies.report import comparison_grid, notes, print_study, results_grid, save_study
from tigerlite.studies.runner import run_jobs
from tigerlite.studies.summary import summarise_study

N_USERS = 300


def ranks_of(row: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng([len(row), seed])
    rate = {"base": 0.2, "better": 0.45, "same..": 0.2}[row]
    return np.where(rng.random(N_USERS) < rate, rng.integers(1, 15, N_USERS), 0)


@pytest.fixture
def records() -> list[dict]:
    """Made-up runs of three rows with three seeds."""
    found = []
    for seed in (0, 1, 2):
        for row in ("better", "base", "same.."):
            ranks = ranks_of(row, seed)
            hit = [user for user in range(N_USERS) if ranks[user]]
            found.append(
                {
                    "row": row,
                    "dataset": "films",
                    "seed": seed,
                    "method": "tiger",
                    "metrics": summarise(ranks),
                    "baselines": {"popularity": summarise(np.full(N_USERS, 2))},
                    "settings": {"split": "test", "exclude_history": True, "n_users": N_USERS, "n_beams": 20},
                    "validation": {"finetune": 0.1 + 0.1 * seed},
                    "seconds": {"prepare": 100.0, "pretrain": 5.0, "finetune": 10.0 * (seed + 1)},
                    "continued": ["finetune"] if seed == 2 else [],
                    "updates": {"pretrain": 7, "finetune": 20},
                    "peak_memory_gib": {"process": 1.0 + seed},
                    "n_parameters": 1234567,
                    "hardware": "a processor",
                    "hits": {
                        "users": "all",
                        "n_users": N_USERS,
                        "hit": hit,
                        "rank": [int(ranks[user]) for user in hit],
                    },
                }
            )
    return found


def test_rows_hold_mean_and_sample_deviation_over_seeds_and_costs(records):
    summary = summarise_study(records, "base")
    assert [row.name for row in summary.rows] == ["better", "base", "same..", "popularity"]
    values = [float(ndcg(ranks_of("better", seed), 10).mean()) for seed in (0, 1, 2)]
    mean = sum(values) / 3
    better = summary.rows[0]
    assert better.metrics["ndcg@10"].mean == pytest.approx(mean)
    assert better.metrics["ndcg@10"].std == pytest.approx(math.sqrt(sum((value - mean) ** 2 for value in values) / 2))
    assert better.validation.mean == pytest.approx(0.2)
    assert better.seconds.mean == pytest.approx((15 + 25) / 2)  # the third run was continued after a crash
    assert (better.memory_gib, better.updates, better.n_parameters) == (3.0, 27, 1234567)
    assert summary.rows[3].metrics["recall@5"].mean == 1.0
    assert summary.rows[3].metrics["ndcg@10"].mean == pytest.approx(1 / math.log2(3))
    assert summary.rows[3].metrics["ndcg@10"].std is None


def test_tests_are_over_users_on_seed_averages_and_corrected_over_the_rows(records):
    rows = {row.name: row for row in summarise_study(records, "base").rows}
    averaged = {
        name: np.mean([ndcg(ranks_of(name, seed), 10) for seed in (0, 1, 2)], axis=0)
        for name in ("better", "base", "same..")
    }
    found = [compare_users(averaged[name], averaged["base"]) for name in ("better", "same..")]
    corrected = holm([one.p_bootstrap for one in found])
    assert rows["base"].against is None
    assert [rows[name].against.p_bootstrap for name in ("better", "same..")] == corrected
    assert rows["better"].against.users == found[0]
    assert rows["better"].against.p_wilcoxon < 0.001 < 0.05 < rows["same.."].against.p_wilcoxon <= 1
    assert rows["better"].against.p_seeds == pytest.approx(0.1)
    assert rows["better"].against.smallest_p_seeds == pytest.approx(0.1)


def test_other_users_or_rules_are_refused(records):
    with pytest.raises(InputError, match="no run of the baseline row 'none' is finished"):
        summarise_study(records, "none")
    other = [{**record, "hits": {**record["hits"], "users": "other"}} for record in records[-1:]]
    with pytest.raises(InputError, match=r"row 'same\.\.', seed 2, has other users than the baseline"):
        summarise_study([*records[:-1], *other], "base")
    records[3]["settings"] = {**records[3]["settings"], "exclude_history": False}
    with pytest.raises(InputError, match="evaluated under different rules"):
        summarise_study(records, "base")


def test_saved_and_printed_tables_say_the_same(records, tmp_path, capsys):
    summary = summarise_study(records, "base")
    save_study(tmp_path, "films", summary, "recommender")
    print_study("films", summary, "recommender")
    printed, markdown = capsys.readouterr().out, (tmp_path / "table.md").read_text()
    for grid in (results_grid(summary), comparison_grid(summary)):
        for row in grid.rows:
            assert f"| {' | '.join(row)} |" in markdown
            assert all(cell in printed for cell in row)
    for line in notes(summary, "recommender"):
        assert line in markdown
    assert "items of the history are not recommended (all rows)" in markdown
    with (tmp_path / "table.csv").open() as stream:
        lines = {line["row"]: line for line in csv.DictReader(stream)}
    assert float(lines["better"]["ndcg@10"]) == summary.rows[0].metrics["ndcg@10"].mean
    assert float(lines["better"]["p_bootstrap_holm"]) == summary.rows[0].against.p_bootstrap
    assert lines["base"]["difference"] == lines["popularity"]["training_seconds"] == ""
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_shows_values_and_what_each_row_differs_by(records):
    pytest.importorskip("matplotlib")
    summary = summarise_study(records, "base")
    values, differences = plot_study("films", summary).axes
    assert [label.get_text() for label in values.get_yticklabels()] == [
        "better",
        "base (baseline)",
        "same..",
        "popularity",
    ]
    zero, *drawn = differences.lines
    assert list(zero.get_xdata()) == [0, 0]
    for (interval, dot), (place, row) in zip(zip(drawn[::2], drawn[1::2], strict=True), ((0, 0), (2, 2)), strict=True):
        found = summary.rows[row].against.users
        assert list(interval.get_xdata()) == [found.low, found.high]
        assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (found.difference, place)
    assert [drawn[1].get_fillstyle(), drawn[3].get_fillstyle()] == ["full", "none"]


def test_the_picture_without_a_row_to_compare_has_no_differences(records):
    pytest.importorskip("matplotlib")
    alone = summarise_study([record for record in records if record["row"] == "base"], "base")
    assert len(plot_study("films", alone).axes) == 1


def test_a_table_of_real_runs_equals_their_evaluations(toy_study, tmp_path):
    records = run_jobs(plan(read_study(toy_study), "films"), tmp_path / "results", study="small")
    summary = summarise_study(records, "slow")
    for row in summary.rows[:2]:
        values = [record["metrics"]["recall@10"] for record in records if record["row"] == row.name]
        assert row.metrics["recall@10"].mean == pytest.approx(sum(values) / 2)
        assert row.metrics["recall@10"].std == pytest.approx(abs(values[0] - values[1]) / math.sqrt(2))
    fast, slow, *closed_form = summary.rows
    assert fast.against.users.difference == pytest.approx(fast.metrics["ndcg@10"].mean - slow.metrics["ndcg@10"].mean)
    assert 0 < fast.against.p_bootstrap <= 1
    assert 0 < fast.against.p_wilcoxon <= 1
    assert {row.name for row in closed_form} == {"popularity", "itemknn"}


def test_published_figures_stand_last_and_are_named_as_not_measured(records, tmp_path):
    summary = summarise_study(records, "base", {"paper: X": {"recall@10": 0.25, "ndcg@10": 0.125}})
    row = summary.rows[-1]
    assert (row.name, row.measured, row.against) == ("paper: X", False, None)
    assert results_grid(summary).rows[-1][:5] == ("paper: X", "–", "0.2500", "–", "0.1250")
    assert any("Not measured here, but printed in papers: paper: X" in line for line in notes(summary, "recommender"))
    save_study(tmp_path, "t", summary, "recommender")
    with (tmp_path / "table.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    assert [line["measured"] for line in lines] == ["True"] * 4 + ["False"]


def test_identifiers_are_described_where_records_have_them(records, tmp_path):
    assert "colliding" not in results_grid(summarise_study(records, "base")).columns
    for record in records:
        if record["row"] == "better":
            record["identifiers"] = {"collision_rate": 0.1 * record["seed"], "lowest_perplexity": 0.75}
        else:
            record["identifiers"] = None
    summary = summarise_study(records, "base")
    grid = results_grid(summary)
    place = grid.columns.index("colliding")
    assert grid.columns[place + 1] == "lowest perplexity"
    assert [row[place : place + 2] for row in grid.rows[:2]] == [("10.0%", "75.0%"), ("–", "–")]
    assert any("before resolution" in line for line in notes(summary, "tokenizer"))
    save_study(tmp_path, "t", summary, "tokenizer")
    with (tmp_path / "table.csv").open() as stream:
        first = next(csv.DictReader(stream))
    assert float(first["collision_rate"]) == pytest.approx(0.1)
    assert float(first["lowest_perplexity_std"]) == 0
