"""All code paths of a catalogue as a trie in flat arrays, so that beams find their legal children by gathers.

Nodes are numbered breadth first and, within a depth, by code path: the root is 0, the children of a node are
consecutive, and a smaller node of the same depth is a smaller path. So node v's children are first_child[v] ..
first_child[v+1]-1 at every depth, and following `first_child` downwards from v and from v+1 bounds the leaves below
v. Ten million items of four codes take about 0.2 GB; a dense child table would take a hundred times that.
"""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tigerlite.config import InputError


class Children(NamedTuple):
    """The children of some nodes, padded to the widest node of their depth."""

    nodes: Tensor
    """(..., C) int64; where not legal, any node of the same depth."""
    codes: Tensor
    """(..., C) int64, the code that leads to each child."""
    legal: Tensor
    """(..., C) bool, False at padding."""


class Trie(nn.Module):
    """The code paths of items 1..N; moves with `.to(device)` and is in no checkpoint (it follows from the codes).

    Args:
        codes: (N + 1, L) integers >= 0, row 0 is padding and ignored.

    Raises:
        InputError: if there is no item, a code is negative, or two items share a path.

    >>> trie = Trie(torch.tensor([[0, 0], [1, 1], [0, 2], [1, 0]]))
    >>> trie.expand(torch.tensor([2]), depth=1).codes.tolist()
    [[0, 1]]
    """

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        codes = codes.detach().cpu()
        if codes.ndim != 2 or codes.shape[0] < 2 or codes.shape[1] < 1:
            raise InputError(
                f"codes of shape {tuple(codes.shape)} hold no items; allowed: (N + 1, L) with N >= 1 and L >= 1"
            )
        if int(codes[1:].min()) < 0:
            raise InputError(f"codes contain {int(codes[1:].min())}; allowed: integers >= 0")
        order = _path_order(codes[1:].long())
        paths = codes[1:].long()[order]
        _refuse_shared_paths(paths, order)
        n_items, n_levels = paths.shape
        starts, depth_sizes = _node_starts(paths)
        self.n_items = n_items
        self.n_levels = n_levels
        self.n_codes = tuple(int(largest) + 1 for largest in paths.amax(0))
        """Per level: one more than the largest code."""
        self.n_inner = 1 + sum(depth_sizes[:-1])
        """Nodes that are not leaves; leaf j is node n_inner + j."""
        first_child = _first_children(starts)
        widths = first_child.diff().split([1, *depth_sizes[:-1]])
        self.max_children = tuple(int(width.max()) for width in widths)
        """Per depth: children of the node that has most."""
        node_codes = [paths[rows, level] for level, rows in enumerate(starts)]
        leaf_of_item = torch.full((n_items + 1,), n_items)
        leaf_of_item[order + 1] = torch.arange(n_items)
        self.register_buffer("first_child", first_child.int(), persistent=False)  # (n_inner + 1,)
        # The root has no code; its entry keeps node numbers and rows equal.
        # int32 and not int16, which would be enough: ddp broadcasts buffers, and gloo cannot send int16.
        self.register_buffer("codes", torch.cat([torch.zeros(1).long(), *node_codes]).int(), persistent=False)
        self.register_buffer("items", (order + 1).int(), persistent=False)  # (N,) in path order
        self.register_buffer("leaf_of_item", leaf_of_item.int(), persistent=False)  # (N + 1,), row 0 is no leaf

    def expand(self, nodes: Tensor, depth: int) -> Children:
        """The children of `nodes` (...) int64, all of one depth (0 is the root), in order of their codes."""
        first = self.first_child[nodes].long()
        n_children = self.first_child[nodes + 1].long() - first
        place = torch.arange(self.max_children[depth], device=nodes.device)
        legal = place < n_children.unsqueeze(-1)
        found = first.unsqueeze(-1) + place * legal
        return Children(found, self.codes[found].long(), legal)

    def leaf_items(self, leaves: Tensor) -> Tensor:
        """The item ids (...) int64 of leaf nodes (...)."""
        return self.items[leaves - self.n_inner].long()

    def exclusion(self, items: Tensor) -> Tensor:
        """Sorted leaf positions (B, X) int64 of item ids (B, X), for `has_other_leaves`; 0 and repeats are allowed.

        Raises:
            InputError: if an id is not in 0..N.
        """
        unknown = items[(items < 0) | (items > self.n_items)]
        if len(unknown):
            raise InputError(f"exclude holds item id {int(unknown[0])}; allowed: 0 (none) to {self.n_items}")
        leaves = self.leaf_of_item[items].long().sort(dim=-1).values
        repeated = leaves[:, 1:] == leaves[:, :-1]
        # A repeat moves behind the last leaf, where no node reaches, so that counts stay counts of distinct items.
        leaves[:, 1:].masked_fill_(repeated, self.n_items)
        return leaves.sort(dim=-1).values

    def has_other_leaves(self, nodes: Tensor, depth: int, excluded: Tensor) -> Tensor:
        """Whether a node (B, ...) of this depth leads to any item that is not excluded for its row, bool (B, ...).

        Args:
            excluded: from `exclusion`, (B, X).
        """
        first, end = self._leaves_below(nodes, depth)
        below_first = torch.searchsorted(excluded, first.flatten(1)).view(first.shape)
        below_end = torch.searchsorted(excluded, end.flatten(1)).view(end.shape)
        return below_end - below_first < end - first

    def leads_to(self, nodes: Tensor, depth: int, items: Tensor) -> Tensor:
        """Whether nodes (B, W) of this depth are on the paths of items (B, X), bool (B, W, X); item 0 is on none."""
        first, end = self._leaves_below(nodes, depth)
        leaves = self.leaf_of_item[items].long().unsqueeze(1)
        return (leaves >= first.unsqueeze(-1)) & (leaves < end.unsqueeze(-1)) & (items > 0).unsqueeze(1)

    def _leaves_below(self, nodes: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        """Position of the first leaf below each node of this depth, and of the one past the last."""
        first, end = nodes, nodes + 1
        for _ in range(self.n_levels - depth):
            first, end = self.first_child[first].long(), self.first_child[end].long()
        return first - self.n_inner, end - self.n_inner


def _path_order(paths: Tensor) -> Tensor:
    """The order (N,) that sorts code paths (N, L); equal paths stay in input order."""
    key = torch.zeros(paths.shape[0], dtype=torch.int64)
    n_keys = 1
    for codes in paths.unbind(1):
        size = int(codes.max()) + 1
        if n_keys * size >= 2**62:
            # Too many conceivable prefixes for one integer: number those that occur, in order.
            key = torch.unique(key, return_inverse=True)[1]
            n_keys = int(key.max()) + 1
        key = key * size + codes
        n_keys *= size
    return torch.sort(key, stable=True).indices


def _refuse_shared_paths(paths: Tensor, order: Tensor) -> None:
    shared = (paths[1:] == paths[:-1]).all(1).nonzero().flatten()
    if len(shared):
        row = int(shared[0])
        raise InputError(
            f"items {int(order[row]) + 1} and {int(order[row + 1]) + 1} share the codes {tuple(paths[row].tolist())} "
            f"({len(shared)} such repeats); every item needs codes of its own: resolve the collisions first"
        )


def _node_starts(paths: Tensor) -> tuple[list[Tensor], list[int]]:
    """Per depth 1..L: the first row of each node in the sorted paths, and the number of nodes."""
    new = torch.zeros(paths.shape[0], dtype=torch.bool)
    new[0] = True
    starts = []
    for codes in paths.unbind(1):
        new[1:] |= codes[1:] != codes[:-1]  # a changed prefix stays changed at all deeper levels
        starts.append(new.nonzero().flatten())
    return starts, [len(rows) for rows in starts]


def _first_children(starts: list[Tensor]) -> Tensor:
    """(n_inner + 1,): the first child of each inner node, and one past the last node."""
    first_children = [torch.tensor([1])]
    n_nodes = 1
    for rows, deeper in pairwise(starts):
        n_nodes += len(rows)
        first_children.append(n_nodes + torch.searchsorted(deeper, rows))
    n_nodes += len(starts[-1])
    return torch.cat([*first_children, torch.tensor([n_nodes])])
