"""k-core by removing one user or item at a time."""

from collections import Counter


def k_core(pairs: list[tuple[str, str]], min_user: int, min_item: int) -> list[tuple[str, str]]:
    """What is left of (user, item) pairs, in their order."""
    pairs = list(pairs)
    while True:
        users, items = Counter(user for user, _ in pairs), Counter(item for _, item in pairs)
        weak_user = next((user for user in users if users[user] < min_user), None)
        weak_item = next((item for item in items if items[item] < min_item), None)
        if weak_user is not None:
            pairs = [pair for pair in pairs if pair[0] != weak_user]
        elif weak_item is not None:
            pairs = [pair for pair in pairs if pair[1] != weak_item]
        else:
            return pairs
