"""Samples of leave-one-out and of a global time split, one user and one event at a time."""


def leave_one_out(histories: list[list[int]]) -> dict[str, list[tuple[int, list[int], int]]]:
    """(user, history, target) of every training, validation and test sample."""
    samples = {"train": [], "validation": [], "test": []}
    for user, items in enumerate(histories):
        train = items
        if len(items) >= 3:
            train = items[:-2]
            samples["validation"].append((user, items[:-2], items[-2]))
            samples["test"].append((user, items[:-1], items[-1]))
        for place in range(1, len(train)):
            samples["train"].append((user, train[:place], train[place]))
    return samples


def global_time(
    events: list[list[tuple[int, int]]], validation_time: int, test_time: int
) -> dict[str, list[tuple[int, list[int], int]]]:
    """The same for users given as (time, item) in order of time."""
    samples = {"train": [], "validation": [], "test": []}
    for user, timed in enumerate(events):
        seen, done = [], set()
        for time, item in timed:
            part = "train" if time < validation_time else "validation" if time < test_time else "test"
            if seen and part not in done:
                samples[part].append((user, list(seen), item))
            if part != "train":
                done.add(part)
            seen.append(item)
    return samples


def pad(histories: list[list[int]], max_history: int) -> list[list[int]]:
    """The most recent `max_history` items of each, filled up with 0 to the longest, at least one place."""
    cut = [history[-max_history:] for history in histories]
    longest = max([1, *map(len, cut)])
    return [history + [0] * (longest - len(history)) for history in cut]
