"""Chunked ranking against one full sort."""

import pytest
import torch

from tests.reference.next_item import sorted_items
from tigerlite.config import InputError
from tigerlite.recommenders.item_scoring import top_items

N_ITEMS = 23


@pytest.fixture
def states() -> torch.Tensor:
    """Small whole numbers, so that many scores are equal."""
    return torch.randint(-2, 3, (5, 3), generator=torch.Generator().manual_seed(0)).float()


@pytest.fixture
def items() -> torch.Tensor:
    return torch.randint(-2, 3, (N_ITEMS + 1, 3), generator=torch.Generator().manual_seed(1)).float()


@pytest.mark.parametrize("chunk", [1, 4, 22, 23, 1000])
@pytest.mark.parametrize("k", [1, 7, 30])
def test_chunks_equal_one_sort_with_ties_by_item_id_and_nothing_excluded(states, items, chunk, k):
    exclude = torch.randint(0, N_ITEMS + 1, (5, 6), generator=torch.Generator().manual_seed(2))
    scores = states @ items.T
    for excluded in (None, exclude):
        found = top_items(states, items, k, excluded, chunk)
        for row in range(5):
            left_out = set() if excluded is None else set(excluded[row].tolist())
            expected = sorted_items(scores[row].tolist(), k, left_out)
            assert found.items[row].tolist() == expected
            wanted = torch.where(found.items[row] > 0, scores[row, found.items[row]], -torch.inf)
            assert torch.equal(found.scores[row], wanted)


def test_excluding_everything_leaves_empty_places(states, items):
    found = top_items(states, items, 3, torch.arange(1, N_ITEMS + 1).expand(5, -1))
    assert (found.items == 0).all()
    assert (found.scores == -torch.inf).all()


def test_under_bfloat16_the_ranking_is_that_of_float32():
    states = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    items = torch.randn(500, 8, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", torch.bfloat16):
        found = top_items(states, items, 20)
    assert torch.equal(found.items, top_items(states, items, 20).items)


def test_memory_is_bounded_by_the_chunk(states, monkeypatch):
    largest = 0
    through = torch.Tensor.__matmul__

    def watched(left, right):
        nonlocal largest
        product = through(left, right)
        largest = max(largest, product.numel())
        return product

    monkeypatch.setattr(torch.Tensor, "__matmul__", watched)
    top_items(states, torch.randn(50_001, 3), 10, chunk=1000)
    assert largest == 5 * 1000


def test_out_of_range_arguments_are_refused(states, items):
    with pytest.raises(InputError, match="k=0 is out of range"):
        top_items(states, items, 0)
    with pytest.raises(InputError, match="chunk=0 is out of range"):
        top_items(states, items, 1, chunk=0)
