"""Head and tail, deciles and shares by the definition, with sorting and counting alone."""

from collections import Counter
from collections.abc import Sequence


def rarest_first(counts: Sequence[int], items: set[int]) -> list[int]:
    return sorted(items, key=lambda item: (counts[item], item))


def slow_head_of_items(counts: Sequence[int], targets: Sequence[int]) -> list[bool]:
    items = rarest_first(counts, set(targets))
    tail = items[: len(items) // 2]
    return [target not in tail for target in targets]


def slow_head_of_users(counts: Sequence[int], targets: Sequence[int]) -> list[bool]:
    times, tail, n_users = Counter(targets), set(), 0
    for item in rarest_first(counts, set(targets)):
        n_users += times[item]
        if n_users > len(targets) / 2:
            break
        tail.add(item)
    return [target not in tail for target in targets]


def slow_decile_shares(counts: Sequence[int], entries: Sequence[int]) -> list[float]:
    items = rarest_first(counts, set(range(1, len(counts))))
    decile = {item: place * 10 // len(items) + 1 for place, item in enumerate(items)}
    found = Counter(decile[item] for item in entries if item)
    total = sum(found.values())
    return [found[number] / total for number in range(1, 11)]
