"""The report: its parts are those of the functions, its verdict names what is weak, its figures are one number each."""

import dataclasses
import math

import numpy as np
import pytest

from tigerlite.config import InputError
from tigerlite.evaluation import identifiers
from tigerlite.evaluation.codes import collision_rate
from tigerlite.evaluation.filtering import filter_ratio
from tigerlite.evaluation.identifiers import figures, identifier_report, level_use, verdict

N_ITEMS = 64
CLUSTERS = np.arange(N_ITEMS) // 16


def made(**changes):
    """Four clusters of 16 items: content and behaviour follow the first of two codes, a digit tells items apart."""
    generator = np.random.default_rng(0)
    within = np.arange(N_ITEMS) % 16
    given = {
        "codes": np.stack([CLUSTERS, within // 4, within % 4], axis=1),
        "codebook_sizes": (4, 4, 4),
        "n_semantic": 2,
        "collisions_before": 0.1,
        "items": np.concatenate([generator.permutation(16)[:5] + 16 * (user % 4) + 1 for user in range(80)]),
        "offsets": np.arange(0, 401, 5),
        "embeddings": np.eye(4)[CLUSTERS] + 0.1 * generator.normal(size=(N_ITEMS, 4)),
        **changes,
    }
    return identifier_report(given.pop("codes"), given.pop("codebook_sizes"), **given)


def test_good_identifiers_are_called_good():
    assert verdict(made()).startswith("good")


def test_parts_are_measured_on_all_levels_or_on_those_of_the_tokenizer():
    report = made()
    assert (len(report.levels), len(report.filtering), len(report.purity_gain)) == (3, 3, 3)
    assert (len(report.prefix_hits), len(report.next_code), len(report.embeddings.neighbours)) == (2, 2, 2)
    assert report.collisions_after == 0
    assert report.embeddings.purity[-1].purity == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"codebook_sizes": (16, 4, 4)}, r"^good: .*; note: level 1 has a perplexity of 4 of 16 codes \(below 50%"),
        ({"collisions_before": 0.3}, r"^good: .*; note: 30% of the items collide \(above 20%"),
        (
            {"items": np.random.default_rng(1).integers(1, 65, 400)},
            r"^weak: the next item shares its first code .* times as often as by chance",
        ),
        (
            {"items": np.random.default_rng(1).integers(1, 65, 400)},
            r"^weak: .*the first code of the last item tells -?\d.\d\d nats about the next one's \(below 0.1",
        ),
        (
            {"embeddings": np.random.default_rng(1).normal(size=(64, 4))},
            r"^good: .*; note: \d+% of the nearest neighbours share the first code",
        ),
        (
            {"codes": np.stack([CLUSTERS] * 3, axis=1)},
            r"^weak: .*93.8% of the items still share a path \(set tokenize.collisions",
        ),
    ],
)
def test_the_verdict_is_by_behaviour_and_notes_the_rest_with_the_threshold(changes, expected):
    line = verdict(made(**changes))
    assert "\n" not in line
    with pytest.raises(AssertionError, match=expected):
        raise AssertionError(line)


def test_the_digit_that_tells_items_apart_is_not_judged():
    codes = np.stack([CLUSTERS, np.arange(N_ITEMS) % 16, np.zeros(N_ITEMS, dtype=int)], axis=1)
    report = made(codes=codes, codebook_sizes=(4, 16, 9))
    assert report.levels[2].perplexity < identifiers.MIN_PERPLEXITY * 9
    assert verdict(report).startswith("good")


def test_figures_are_finite_numbers_with_one_name_each():
    report = made()
    found = figures(report)
    assert all(math.isfinite(value) for value in found.values())
    assert found["filter_ratio/2"] == report.filtering[1].by_items
    assert found["perplexity_share/min"] == pytest.approx(1)
    assert not [name for name in found if name.endswith("/3")]


def test_without_embeddings_their_figures_are_left_out():
    report = made(embeddings=None)
    assert report.embeddings is None
    assert figures(report).keys() < figures(made()).keys()
    assert verdict(report).startswith("good")


def test_without_events_behaviour_is_left_out():
    report = made(items=np.zeros(0, dtype=int), offsets=np.zeros(1, dtype=int))
    assert (report.prefix_hits, report.next_code) == ([], [])
    assert verdict(report) == "no events to judge by"


def test_gini_is_the_mean_absolute_difference_over_twice_the_mean():
    codes = np.random.default_rng(0).geometric(0.3, 100)[:, None] % 6
    counts = np.bincount(codes[:, 0], minlength=6)
    expected = np.abs(counts[:, None] - counts[None]).mean() / (2 * counts.mean())
    assert level_use(codes, (6,))[0].gini == pytest.approx(expected)


def test_mistakes_are_one_line():
    with pytest.raises(InputError, match="embeddings have 3 rows but the identifiers 64 items"):
        made(embeddings=np.ones((3, 2)))
    with pytest.raises(InputError, match="the events hold item id 65 but there are 64 identifiers"):
        made(items=np.array([65]), offsets=np.array([0, 1]))


def test_the_report_is_made_of_the_public_functions():
    report = made()
    codes = np.stack([CLUSTERS, np.arange(N_ITEMS) % 16 // 4, np.arange(N_ITEMS) % 4], axis=1)
    assert report.filtering == filter_ratio(codes)
    assert report.collisions_after == collision_rate(codes)
    assert dataclasses.is_dataclass(report)
