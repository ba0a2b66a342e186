"""The code paths of a catalogue as nested dictionaries."""

from collections.abc import Sequence


class PythonTrie:
    """Nested dicts: code -> child, the last code -> item id."""

    def __init__(self, codes: Sequence[Sequence[int]]) -> None:
        """`codes` holds one row per item id, row 0 is padding."""
        self.root: dict = {}
        for item, path in enumerate(codes):
            if item == 0:
                continue
            node = self.root
            for code in path[:-1]:
                node = node.setdefault(code, {})
            node[path[-1]] = item

    def node(self, prefix: Sequence[int]) -> dict | int:
        """What the prefix leads to: a dict, or an item id."""
        node = self.root
        for code in prefix:
            node = node[code]
        return node

    def children(self, prefix: Sequence[int]) -> list[int]:
        """The legal codes after a prefix, sorted."""
        return sorted(self.node(prefix))

    def items_below(self, prefix: Sequence[int]) -> set[int]:
        """All items whose path begins with the prefix."""

        def below(node: dict | int) -> set[int]:
            return {node} if isinstance(node, int) else set().union(*map(below, node.values()))

        return below(self.node(prefix))
