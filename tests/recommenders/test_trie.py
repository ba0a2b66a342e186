import itertools

import pytest
import torch

from tests.reference.python_trie import PythonTrie
from tigerlite.config import InputError
from tigerlite.recommenders.trie import Trie


def _random_codes(n_items: int, sizes: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    """(N + 1, L) distinct paths in random order."""
    generator = torch.Generator().manual_seed(seed)
    paths = torch.tensor(list(itertools.product(*map(range, sizes))))
    return torch.cat(
        (torch.zeros(1, len(sizes)).long(), paths[torch.randperm(len(paths), generator=generator)[:n_items]])
    )


@pytest.mark.parametrize(
    ("n_items", "sizes"), [(1, (3, 2)), (40, (5, 4, 6)), (120, (5, 4, 6)), (7, (9,)), (60, (2, 3, 4, 5))]
)
def test_children_and_leaves_equal_a_trie_of_dicts(n_items, sizes):
    codes = _random_codes(n_items, sizes)
    trie, expected = Trie(codes), PythonTrie(codes.tolist())
    frontier = {(): 0}
    for depth in range(len(sizes)):
        next_frontier = {}
        for prefix, node in frontier.items():
            children = trie.expand(torch.tensor([[node]]), depth)
            legal = children.legal[0, 0]
            assert children.codes[0, 0][legal].tolist() == expected.children(prefix)
            for code, child in zip(expected.children(prefix), children.nodes[0, 0][legal].tolist(), strict=True):
                next_frontier[(*prefix, code)] = child
        frontier = next_frontier
    assert {path: int(trie.leaf_items(torch.tensor(node))) for path, node in frontier.items()} == {
        tuple(path): item for item, path in enumerate(codes.tolist()) if item > 0
    }


def test_nodes_of_a_depth_are_numbered_in_path_order():
    trie = Trie(_random_codes(50, (5, 4, 6)))
    nodes = torch.zeros(1, dtype=torch.int64)
    for depth in range(3):
        children = trie.expand(nodes, depth)
        nodes = children.nodes[children.legal]
        assert (nodes.diff() == 1).all()


def test_nodes_with_other_leaves_equal_a_set_difference():
    codes = _random_codes(40, (3, 3, 8))
    trie, expected = Trie(codes), PythonTrie(codes.tolist())
    whole_branch = sorted(expected.items_below((expected.children(())[0],)))
    excluded = torch.tensor([[*whole_branch, whole_branch[0], 0, 0], [1, 2, 3, *[0] * len(whole_branch)]])
    positions = trie.exclusion(excluded)
    frontier = {(): 0}
    for depth in range(4):
        for row in range(2):
            found = trie.has_other_leaves(torch.tensor([list(frontier.values())] * 2), depth, positions)[row].tolist()
            gone = set(excluded[row].tolist())
            assert found == [bool(_below(expected, prefix) - gone) for prefix in frontier]
        if depth < 3:
            frontier = {
                (*prefix, code): int(child)
                for prefix, node in frontier.items()
                for code, child in zip(
                    expected.children(prefix), trie.expand(torch.tensor([node]), depth).nodes[0], strict=False
                )
            }


def _below(trie: PythonTrie, prefix: tuple[int, ...]) -> set[int]:
    found = trie.node(prefix)
    return {found} if isinstance(found, int) else trie.items_below(prefix)


def test_paths_with_more_prefixes_than_an_integer_holds_are_sorted():
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 30_000, (200, 6), generator=generator)  # 30000**6 > 2**63
    codes[100:, :5] = codes[:100, :5]
    trie = Trie(codes)
    assert [codes[item].tolist() for item in trie.items.tolist()] == sorted(codes[1:].tolist())


def test_memory_of_a_large_catalogue_is_below_30_bytes_an_item():
    paths = torch.randperm(256**3, generator=torch.Generator().manual_seed(0))[:200_000]
    codes = torch.stack((paths // 65_536, paths // 256 % 256, paths % 256, torch.zeros_like(paths)), dim=1)
    trie = Trie(torch.cat((torch.zeros(1, 4).long(), codes)))
    assert sum(buffer.numel() * buffer.element_size() for buffer in trie.buffers()) < 30 * 200_000


def test_a_trie_is_in_no_checkpoint():
    assert Trie(_random_codes(5, (3, 3))).state_dict() == {}


def test_shared_paths_are_refused_by_item():
    codes = torch.tensor([[0, 0], [1, 2], [0, 1], [1, 2]])
    with pytest.raises(
        InputError,
        match=r"items 1 and 3 share the codes \(1, 2\) \(1 such repeats\); every item needs codes of its own",
    ):
        Trie(codes)


def test_negative_codes_are_refused():
    with pytest.raises(InputError, match="codes contain -1; allowed: integers >= 0"):
        Trie(torch.tensor([[0, 0], [1, -1]]))


@pytest.mark.parametrize("shape", [(1, 4), (0, 4), (3, 0), (5,)])
def test_codes_without_items_are_refused(shape):
    with pytest.raises(InputError, match="hold no items"):
        Trie(torch.zeros(shape, dtype=torch.int64))


@pytest.mark.parametrize("item", [-1, 6])
def test_unknown_excluded_items_are_refused(item):
    with pytest.raises(InputError, match=f"exclude holds item id {item}; allowed: 0 \\(none\\) to 5"):
        Trie(_random_codes(5, (3, 3))).exclusion(torch.tensor([[1, item]]))
