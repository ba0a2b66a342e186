"""A metric over a swept setting: seeds are pooled, nothing else is."""

import pytest

from tigerlite.config import InputError
from tigerlite.studies.over import FIGURE, metric_over, plot_metric_over, save_over, swept_key

KEY = "finetune.tiger.c"


def record(c: float, seed: int, value: float, **changes) -> dict:
    config = {"finetune": {"tiger": {"c": c, "seed": seed, "head": "level", "epochs": 3}}}
    return {"row": f"c={c:g}", "config": config, "metrics": {"ndcg@5": value}, **changes}


RECORDS = [record(3e-5, 0, 0.4), record(1e-5, 0, 0.1), record(1e-5, 1, 0.3)]


def test_seeds_of_a_value_are_averaged_and_values_ascend():
    first, second = metric_over(RECORDS, KEY)
    assert (first.value, first.metric.mean, first.per_seed) == (1e-5, pytest.approx(0.2), (0.1, 0.3))
    assert first.metric.std == pytest.approx(0.2 / 2**0.5)
    assert (second.value, second.metric.mean, second.metric.std) == (3e-5, 0.4, None)


def test_the_swept_key_is_the_one_number_that_differs_seeds_aside():
    assert swept_key(RECORDS) == KEY
    assert swept_key(RECORDS[1:]) is None
    other = record(1e-5, 0, 0.1)
    other["config"]["finetune"]["tiger"]["epochs"] = 4
    assert swept_key([*RECORDS, other]) is None
    assert swept_key([]) is None


@pytest.mark.parametrize(
    ("records", "key", "metric", "message"),
    [
        (RECORDS, "finetune.tiger.d", "ndcg@5", "'finetune.tiger.d' is not a config key of row 'c=3e-05'"),
        (RECORDS, "finetune.tiger.head", "ndcg@5", "finetune.tiger.head='level' of row 'c=3e-05' is no number"),
        (RECORDS, KEY, "ndcg@7", "metric ndcg@7 is not in the records; they have ndcg@5"),
        (
            [*RECORDS, record(1e-5, 0, 0.1, row="other")],
            KEY,
            "ndcg@5",
            "rows 'c=1e-05' and 'other' both have finetune.tiger.c=1e-05; give the records of a sweep over that key alone",
        ),
    ],
)
def test_records_of_something_else_are_refused(records, key, metric, message):
    with pytest.raises(InputError, match=message):
        metric_over(records, key, metric)


def test_the_plot_has_a_point_per_value_and_a_dash_per_seed():
    (axes,) = plot_metric_over(RECORDS, KEY).axes
    (means,) = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert means.get_xydata().flatten() == pytest.approx([1e-5, 0.2, 3e-5, 0.4])
    dashes = [line for line in axes.get_lines() if line.get_marker() == "_" and line.get_alpha() == 0.6]
    assert [line.get_ydata().tolist() for line in dashes] == [[0.1, 0.3], [0.4]]
    assert axes.get_xlabel() == KEY
    assert axes.get_ylabel().startswith("NDCG@5")


def test_a_sweep_over_one_number_gets_a_picture_and_another_none(tmp_path):
    save_over(tmp_path, RECORDS[1:])
    assert not (tmp_path / FIGURE).exists()
    save_over(tmp_path, RECORDS)
    assert (tmp_path / FIGURE).read_bytes().startswith(b"\x89PNG")
