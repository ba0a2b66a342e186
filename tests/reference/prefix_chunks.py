"""Targets of all-prefix training and the items each of them sees, one user and one target at a time."""


def prefix_targets(parts: list[list[int]], max_history: int) -> list[tuple[int, list[int], int]]:
    """(user, context, target) of every target of the training parts, in time order.

    The first `max_history` targets see everything before them. Later ones come in groups of equal size; a group sees
    half a history of context before its first target, and each of its targets also what the group has before it.
    """
    context = (max_history + 1) // 2
    per_group = max_history + 1 - context
    targets = []
    for user, items in enumerate(parts):
        for place in range(1, len(items)):
            begin = 0
            if place > max_history:
                group = (place - max_history - 1) // per_group
                begin = max_history + 1 + group * per_group - context
            targets.append((user, items[begin:place], items[place]))
    return targets
