"""Prefix match: the published code's numbers, the slow definition, the item-level metric at full length."""

import math

import numpy as np
import pytest
import torch

from tests.reference.prefix_match import slow_prefix_figures
from tigerlite.evaluation.prefix import (
    plot_prefix_match,
    prefix_dcg,
    prefix_hit,
    prefix_matches,
    prefix_ndcg,
    summarise_prefixes,
)
from tigerlite.evaluation.ranking import ndcg, ranks_in_list


@pytest.fixture
def example() -> np.ndarray:
    """Target (1, 2, 3, 4) and five ranked identifiers: matches (1, 5, 4)."""
    codes = np.array(
        [[0, 0, 0, 0], [1, 2, 3, 4], [1, 9, 9, 9], [1, 2, 9, 9], [5, 5, 5, 5], [1, 2, 3, 7]],
    )
    return prefix_matches(codes, np.array([[2, 3, 4, 1, 5]]), np.array([1]))


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct codes (N + 1, 3), ranked items (U, 8) without repeats but with empty places, targets (U,)."""
    rng = np.random.default_rng(seed)
    paths = np.stack(np.unravel_index(rng.choice(27, 20, replace=False), (3, 3, 3)), axis=1)
    codes = np.concatenate([np.zeros((1, 3), dtype=int), paths])
    items = np.stack([rng.permutation(20)[:8] + 1 for _ in range(30)])
    items[::4, 5:] = 0
    return codes, items, rng.integers(1, 21, 30)


def test_dcg_equals_the_worked_example_of_the_published_code(example):
    expected = [2.4485, 1.4485, 0.8175, 0.4307]
    np.testing.assert_allclose(prefix_dcg(example, 5)[0], expected, atol=1e-4)
    exact = [1 / math.log2(rank + 1) for rank in range(1, 6)]
    np.testing.assert_allclose(prefix_dcg(example, 5)[0, 1], exact[1] + exact[3] + exact[4])
    assert prefix_hit(example, 5).tolist() == [[1, 1, 1, 1]]


def test_ndcg_counts_the_first_match_alone(example):
    discount = [1 / math.log2(rank + 1) for rank in (1, 2, 4, 4)]
    np.testing.assert_allclose(prefix_ndcg(example, 5)[0], discount)
    np.testing.assert_allclose(prefix_ndcg(example, 3)[0], [*discount[:2], 0, 0])


@pytest.mark.parametrize(("k", "largest"), [(5, 2.948), (10, 4.544)])
def test_a_list_full_of_the_prefix_has_the_largest_dcg_and_an_ndcg_of_one(k, largest):
    full = np.ones((1, 10, 1), dtype=bool)
    assert prefix_dcg(full, k)[0, 0] == pytest.approx(largest, abs=1e-3)
    assert prefix_ndcg(full, k)[0, 0] == 1


@pytest.mark.parametrize("k", [1, 5, 8, 10])
def test_figures_equal_the_slow_definition(k):
    codes, items, targets = random_case(seed=k)
    matches = prefix_matches(codes, items, targets)
    for level in range(3):
        slow = [
            slow_prefix_figures(codes.tolist(), ranked, target, level + 1, k)
            for ranked, target in zip(items.tolist(), targets.tolist(), strict=True)
        ]
        hits, dcg, first = map(list, zip(*slow, strict=True))
        np.testing.assert_allclose(prefix_hit(matches, k)[:, level], hits)
        np.testing.assert_allclose(prefix_dcg(matches, k)[:, level], dcg)
        np.testing.assert_allclose(prefix_ndcg(matches, k)[:, level], first)
    assert matches.any(axis=(0, 1)).all()


def test_the_whole_identifier_gives_the_item_level_ndcg():
    codes, items, targets = random_case(seed=1)
    ranks = ranks_in_list(torch.from_numpy(items), torch.from_numpy(targets)).numpy()
    matches = prefix_matches(codes, items, targets)
    np.testing.assert_allclose(prefix_dcg(matches, 5)[:, -1], ndcg(ranks, 5))
    np.testing.assert_allclose(prefix_ndcg(matches, 5)[:, -1], ndcg(ranks, 5))


def test_a_summary_has_means_and_standard_errors_per_prefix_length():
    codes, items, targets = random_case(seed=2)
    matches = prefix_matches(codes, items, targets)
    levels = summarise_prefixes(matches, cutoffs=(5,))
    assert [level["n_codes"] for level in levels] == [1, 2, 3]
    values = prefix_dcg(matches, 5)[:, 1]
    assert levels[1]["dcg@5"] == pytest.approx(values.mean())
    assert levels[1]["dcg@5_se"] == pytest.approx(values.std(ddof=1) / math.sqrt(30))
    assert math.isnan(summarise_prefixes(matches[:1])[0]["hit@5_se"])


def test_the_plot_has_a_bar_per_method_and_prefix_length_in_both_panels(example):
    levels = summarise_prefixes(np.repeat(example, 2, axis=0))
    figure = plot_prefix_match({"tiger": levels, "popularity": levels})
    dcg, first = figure.axes
    assert [bar.get_height() for bar in dcg.patches[:4]] == pytest.approx([2.4485, 1.4485, 0.8175, 0.4307], abs=1e-4)
    assert len(first.patches) == 8
    assert [text.get_text() for text in dcg.get_legend().get_texts()] == ["popularity", "tiger"]
    assert (dcg.get_ylabel(), first.get_ylabel()) == ("DCG@5", "NDCG@5")
