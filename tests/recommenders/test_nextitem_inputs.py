"""What a next-item network reads is said once, where a training starts."""

import logging

import numpy as np
import pytest

from tigerlite.config import from_dict
from tigerlite.data.dataset import RecDataset
from tigerlite.recommenders.nextitem_config import NextItemConfig
from tigerlite.recommenders.nextitem_inputs import counts_interactions, log_inputs

SECONDS, POSITIONS = [10, 10, 4000, 20, 90], [0, 1, 2, 0, 1]


def dataset(times: list[int] | None) -> RecDataset:
    """Users of three and of two items."""
    return RecDataset(
        items=np.array([1, 2, 3, 1, 2], dtype=np.int32),
        offsets=np.array([0, 3, 5]),
        times=None if times is None else np.array(times),
        train_ends=np.array([1, 3]),
        validation=np.array([[0, 1], [1, 3]]),
        test=np.array([[0, 2], [1, 4]]),
        user_ids=["a", "b"],
        item_ids=["1", "2", "3"],
        titles=[""] * 3,
    )


def test_times_that_only_count_are_positions_also_where_users_are_far_apart():
    assert counts_interactions(dataset(POSITIONS))
    assert counts_interactions(dataset([0, 0, 1, 900, 901]))
    assert not counts_interactions(dataset(SECONDS))


@pytest.mark.parametrize(
    ("time_bias", "times", "said"),
    [
        (False, None, "INFO hstu reads positions alone: hstu.time_bias=false"),
        (False, POSITIONS, "INFO hstu reads positions alone: hstu.time_bias=false"),
        (False, SECONDS, "INFO hstu reads positions alone: hstu.time_bias=false, though the data have times"),
        (True, None, "INFO hstu reads positions alone: the data have no times"),
        (True, SECONDS, "INFO hstu reads positions and the times of interactions; give times when you ask it, too"),
        (True, POSITIONS, "WARNING hstu reads the times of interactions, but no two neighbours"),
    ],
)
def test_hstu_says_whether_it_reads_times_and_why(time_bias, times, said, caplog):
    config = from_dict(NextItemConfig, {"network": "hstu", "hstu": {"time_bias": time_bias}})
    with caplog.at_level(logging.INFO):
        log_inputs(config, dataset(times), pretrained=False)
    (line,) = caplog.records
    assert f"{line.levelname} {line.message}".startswith(said)
    assert ("though" in line.message) == ("though" in said)


@pytest.mark.parametrize(
    ("network", "objective", "pretrained", "n_lines"),
    [
        ("s3rec", "next_item", False, 1),
        ("s3rec", "next_item", True, 0),
        ("s3rec", "self_supervised", False, 0),
        ("sasrec", "next_item", False, 0),
    ],
)
def test_s3rec_alone_says_that_it_reads_no_features_without_pretraining(
    network, objective, pretrained, n_lines, caplog
):
    config = NextItemConfig(network=network, objective=objective)
    with caplog.at_level(logging.INFO):
        log_inputs(config, dataset(None), pretrained=pretrained)
    assert len(caplog.records) == n_lines
    assert all("s3rec without pre-training reads item ids alone" in line.message for line in caplog.records)
