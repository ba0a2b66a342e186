"""Which interactions train, validate and test: leave-one-out and global temporal.

What each protocol leaks:

* `leave_one_out` gives each user their own cut: the model trains on what *other* users did after this user's test
  event. Item popularity "of the future" is therefore known. It is what the papers use.
* `global_time` trains on events before one common time, so nothing of the validation or test period is known in
  training. The history of a test target does hold the user's own events of the validation period, as it would in
  service; they are input, not training targets. Only the first event of a period is a target, so nobody's test events
  precede their target.

Both number items that occur anywhere, so items that occur only outside training exist (cold), with their text.
"""

from dataclasses import dataclass

import numpy as np

from tigerlite.config import InputError, check, check_choice
from tigerlite.data.tables import parse_time


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """How interactions are divided."""

    method: str = "leave_one_out"
    """leave_one_out (TIGER, arXiv 2305.05065, section 4.1) or global_time."""
    validation_time: str | None = None
    """global_time: validation starts here (whole seconds or an ISO date, UTC); None = by the fractions."""
    test_time: str | None = None
    """global_time: test starts here (whole seconds or an ISO date, UTC); None = by the fractions."""
    validation_fraction: float = 0.1
    """global_time without validation_time: share of interactions in the validation period; 80/10/10 is customary."""
    test_fraction: float = 0.1
    """global_time without test_time: share of all interactions in the test period."""

    def __post_init__(self) -> None:
        check_choice("method", self.method, ("leave_one_out", "global_time"))
        for name in ("validation_fraction", "test_fraction"):
            value = getattr(self, name)
            check(0 < value < 1, name, value, "a number between 0 and 1")
        total = self.validation_fraction + self.test_fraction
        check(total < 1, "test_fraction", self.test_fraction, "less than 1 together with validation_fraction")
        both = (self.validation_time is None) == (self.test_time is None)
        check(both, "test_time", self.test_time, "set together with validation_time, or neither")
        if self.validation_time is not None and self.test_time is not None:
            start, end = parse_time("validation_time", self.validation_time), parse_time("test_time", self.test_time)
            check(start < end, "test_time", self.test_time, f"a time after validation_time={self.validation_time}")


@dataclass(frozen=True)
class Split:
    """Positions are absolute, in the array of all interactions user by user."""

    train_ends: np.ndarray
    """(U,) int64, exclusive end of each user's training events."""
    validation: np.ndarray
    """(V, 2) int64, user and position of the target, users in order."""
    test: np.ndarray
    """(S, 2) int64, likewise."""


def split_interactions(offsets: np.ndarray, times: np.ndarray | None, config: SplitConfig) -> Split:
    """Divide every user's events.

    Args:
        offsets: (U + 1,) where each user's events begin in the array of all interactions.
        times: (I,) whole seconds, not decreasing within a user; None where the data have none.

    Raises:
        InputError: if `global_time` meets data without times, or if training, validation or test is empty.
    """
    if config.method == "leave_one_out":
        split = leave_one_out(offsets)
        why = "leave_one_out needs users with at least 3 interactions, and with 4 for training"
    elif times is None:
        raise InputError("prepare.split.method=global_time needs times, and this data set has none; use leave_one_out")
    else:
        start, end = _cuts(times, config)
        split = global_time(offsets, times, start, end)
        why = f"global_time was cut at {start} and {end}, the data span {times.min()} to {times.max()}"
    n_samples = int(np.maximum(split.train_ends - offsets[:-1] - 1, 0).sum())
    for name, count in (("training", n_samples), ("validation", len(split.validation)), ("test", len(split.test))):
        if not count:
            raise InputError(f"the {name} part is empty: {why}; change prepare.split or prepare.filtering")
    return split


def leave_one_out(offsets: np.ndarray) -> Split:
    """Last event = test, second last = validation, the rest trains; users with fewer than 3 events train only."""
    starts, ends = offsets[:-1], offsets[1:]
    users = np.flatnonzero(ends - starts >= 3)
    train_ends = ends.astype(np.int64).copy()
    train_ends[users] -= 2
    return Split(train_ends, _rows(users, ends[users] - 2), _rows(users, ends[users] - 1))


def global_time(offsets: np.ndarray, times: np.ndarray, validation_time: int, test_time: int) -> Split:
    """Training before `validation_time`; targets are each user's first event of the validation and of the test period.

    A period begins with its time and ends before the next. A first event without any history is no target.
    """
    starts, ends = offsets[:-1], offsets[1:]
    train_ends = starts + _events_before(offsets, times, validation_time)
    test_starts = starts + _events_before(offsets, times, test_time)
    validation = np.flatnonzero((train_ends < test_starts) & (train_ends > starts))
    test = np.flatnonzero((test_starts < ends) & (test_starts > starts))
    return Split(train_ends, _rows(validation, train_ends[validation]), _rows(test, test_starts[test]))


def _rows(users: np.ndarray, positions: np.ndarray) -> np.ndarray:
    return np.stack([users, positions], axis=1).astype(np.int64)


def _events_before(offsets: np.ndarray, times: np.ndarray, cut: int) -> np.ndarray:
    """How many of each user's events precede `cut`."""
    before = np.concatenate([[0], np.cumsum(times < cut)]).astype(np.int64)
    return before[offsets[1:]] - before[offsets[:-1]]


def _cuts(times: np.ndarray, config: SplitConfig) -> tuple[int, int]:
    if config.validation_time is not None and config.test_time is not None:
        return parse_time("validation_time", config.validation_time), parse_time("test_time", config.test_time)
    ordered = np.sort(times)
    first_test = int(len(ordered) * (1 - config.test_fraction))
    first_validation = int(len(ordered) * (1 - config.test_fraction - config.validation_fraction))
    return int(ordered[first_validation]), int(ordered[first_test])
