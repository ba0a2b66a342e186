"""Which interactions are kept: rating, time window, repeats, k-core, applied in this order.

Every step logs how many interactions it was given and left, so that an empty result can say who removed what. The
k-core is the largest set of interactions in which every user has at least `min_user_interactions` of them and every
item at least `min_item_interactions` (repeats count); it does not depend on the order in which rows are removed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tigerlite.columns import ITEM, RATING, ROW, TIME, USER
from tigerlite.config import InputError, check, check_choice
from tigerlite.data.tables import parse_time

if TYPE_CHECKING:
    import polars as pl

Step = Callable[["pl.LazyFrame"], "pl.LazyFrame"]


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """Which interactions to keep; the defaults are the 5-core of TIGER (arXiv 2305.05065, section 4.1)."""

    min_user_interactions: int = 5
    """Interactions a user must keep (k-core); 0 = no limit."""
    min_item_interactions: int = 5
    """Interactions an item must keep (k-core); 0 = no limit."""
    min_rating: float | None = None
    """Drop interactions rated lower; None = keep all. Needs ratings."""
    start_time: str | None = None
    """Drop interactions before this time: whole seconds or an ISO date (UTC); None = no limit. Needs times."""
    end_time: str | None = None
    """Drop interactions at or after this time: whole seconds or an ISO date (UTC); None = no limit. Needs times."""
    duplicates: str = "keep"
    """Repeats of an item by one user: keep, first (keep the earliest), last (the latest), consecutive (one per run)."""

    def __post_init__(self) -> None:
        check(self.min_user_interactions >= 0, "min_user_interactions", self.min_user_interactions, "an integer >= 0")
        check(self.min_item_interactions >= 0, "min_item_interactions", self.min_item_interactions, "an integer >= 0")
        check_choice("duplicates", self.duplicates, ("keep", "first", "last", "consecutive"))
        start = None if self.start_time is None else parse_time("start_time", self.start_time)
        end = None if self.end_time is None else parse_time("end_time", self.end_time)
        in_order = start is None or end is None or start < end
        check(in_order, "end_time", self.end_time, f"a time after start_time={self.start_time}")


@dataclass(frozen=True)
class FilterStep:
    """What one filter did."""

    name: str
    before: int
    after: int


@dataclass(frozen=True)
class Filtered:
    """The interactions that are left, and what each filter removed."""

    interactions: "pl.LazyFrame"
    steps: list[FilterStep]


def filter_interactions(interactions: "pl.LazyFrame", config: FilterConfig) -> Filtered:
    """The interactions that every filter of `config` leaves.

    Events of one user are in order of time, ties and data without times in input order; "first", "last" and
    "consecutive" mean this order.

    Raises:
        InputError: if a filter needs times or ratings that the data do not have, or if nothing is left.
    """
    frame = interactions.collect(engine="streaming")
    if not len(frame):
        raise InputError("the input holds no interaction; check the file names and the folder")
    steps = []
    for name, step in _steps(frame.columns, config).items():
        kept = step(frame.lazy()).collect(engine="streaming")
        steps.append(FilterStep(name, len(frame), len(kept)))
        frame = kept
        if not len(frame):
            log = "; ".join(f"{step.name}: {step.before:,} -> {step.after:,}" for step in steps)
            raise InputError(f"no interaction is left after filtering ({log}); relax the last of these filters")
    return Filtered(frame.lazy(), steps)


def k_core(interactions: "pl.LazyFrame", min_user: int, min_item: int) -> "pl.LazyFrame":
    """The largest part of the interactions in which users have >= `min_user` and items >= `min_item` of them."""
    import polars as pl

    frame = interactions.collect(engine="streaming")
    while True:
        kept = frame.lazy()
        for column, least in ((USER, min_user), (ITEM, min_item)):
            enough = frame.lazy().group_by(column).len().filter(pl.col("len") >= least)
            kept = kept.join(enough, on=column, how="semi")
        kept = kept.collect(engine="streaming")
        if len(kept) == len(frame):
            return kept.lazy()
        frame = kept


def time_order(columns: list[str]) -> list[str]:
    """The columns that put one user's events in order: time, ties by input order."""
    return [TIME, ROW] if TIME in columns else [ROW]


def _steps(columns: list[str], config: FilterConfig) -> dict[str, Step]:
    import polars as pl

    steps: dict[str, Step] = {}
    if config.min_rating is not None:
        _need(columns, RATING, f"min_rating={config.min_rating}")
        steps[f"min_rating={config.min_rating}"] = lambda frame: frame.filter(pl.col(RATING) >= config.min_rating)
    if config.start_time is not None:
        _need(columns, TIME, f"start_time={config.start_time}")
        start = parse_time("start_time", config.start_time)
        steps[f"start_time={config.start_time}"] = lambda frame: frame.filter(pl.col(TIME) >= start)
    if config.end_time is not None:
        _need(columns, TIME, f"end_time={config.end_time}")
        end = parse_time("end_time", config.end_time)
        steps[f"end_time={config.end_time}"] = lambda frame: frame.filter(pl.col(TIME) < end)
    if config.duplicates != "keep":
        order = [USER, *time_order(columns)]
        steps[f"duplicates={config.duplicates}"] = lambda frame: _drop_repeats(frame.sort(order), config.duplicates)
    least = (config.min_user_interactions, config.min_item_interactions)
    if any(least):
        name = f"k-core(min_user_interactions={least[0]}, min_item_interactions={least[1]})"
        steps[name] = lambda frame: k_core(frame, *least)
    return steps


def _drop_repeats(ordered: "pl.LazyFrame", policy: str) -> "pl.LazyFrame":
    import polars as pl

    if policy == "consecutive":
        same_user = pl.col(USER) == pl.col(USER).shift(1)
        same_item = pl.col(ITEM) == pl.col(ITEM).shift(1)
        # The very first row has no row before it: null, not a repeat.
        return ordered.filter((same_user & same_item).fill_null(False).not_())
    return ordered.unique(subset=[USER, ITEM], keep=policy, maintain_order=True)


def _need(columns: list[str], column: str, setting: str) -> None:
    if column not in columns:
        raise InputError(
            f"prepare.filtering.{setting} needs a {column} per interaction, and this data set has none; unset it"
        )
