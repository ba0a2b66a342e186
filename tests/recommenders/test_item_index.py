"""The faiss index against scoring every item."""

import sys

import pytest
import torch

from tigerlite.config import InputError
from tigerlite.recommenders.item_index import ItemIndex
from tigerlite.recommenders.item_scoring import top_items


@pytest.fixture
def items() -> torch.Tensor:
    return torch.randn(2001, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def states() -> torch.Tensor:
    return torch.randn(20, 8, generator=torch.Generator().manual_seed(1))


def test_an_exact_index_equals_scoring_every_item(states, items):
    index = ItemIndex.build(items)
    found, exact = index.search(states, 10), top_items(states, items, 10)
    assert torch.equal(found.items, exact.items)
    torch.testing.assert_close(found.scores, exact.scores)
    assert index.recall(states, 10) == 1


def test_an_approximate_index_finds_more_with_more_probes_and_all_with_all(states, items):
    recalls = [ItemIndex.build(items, approximate=True, n_probes=n).recall(states, 10) for n in (1, 8, 10_000)]
    assert recalls[0] < recalls[1] < recalls[2] == 1


def test_recall_counts_the_items_of_the_exact_answer_that_are_found(states, items):
    index = ItemIndex.build(items, approximate=True, n_probes=2)
    exact, found = top_items(states, items, 10).items.tolist(), index.search(states, 10).items.tolist()
    hits = sum(len(set(a) & set(b)) for a, b in zip(exact, found, strict=True))
    assert index.recall(states, 10) == pytest.approx(hits / 200)


@pytest.mark.parametrize("approximate", [False, True])
def test_k_beyond_the_catalogue_leaves_empty_places(states, items, approximate):
    found = ItemIndex.build(items[:4], approximate=approximate).search(states, 5)
    assert (found.items[:, 3:] == 0).all()
    assert (found.scores[:, 3:] == -torch.inf).all()
    assert found.items[:, :3].sort(dim=1).values.tolist() == [[1, 2, 3]] * 20


@pytest.mark.parametrize("approximate", [False, True])
def test_excluded_items_make_room_for_the_next_best(states, items, approximate):
    index = ItemIndex.build(items, approximate=approximate, n_probes=10_000)
    exclude = top_items(states, items, 3).items
    exclude[0] = 0  # padding excludes nothing
    found, exact = index.search(states, 10, exclude), top_items(states, items, 10, exclude)
    assert torch.equal(found.items, exact.items)


def test_without_faiss_one_line_says_what_to_install(monkeypatch, items):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match="an item index needs faiss; pip install faiss-cpu"):
        ItemIndex.build(items)
