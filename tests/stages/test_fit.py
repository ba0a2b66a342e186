"""`tigerlite.fit`: frames in, a predictor out; a second call with the same data loads what is there."""

import pandas as pd
import polars as pl
import pytest

import tigerlite
from tigerlite.config import ConfigError, InputError
from tigerlite.stages import recommend


@pytest.fixture
def frames(toy_folder) -> tuple[pl.DataFrame, pl.DataFrame]:
    return pl.read_csv(toy_folder / "interactions.csv"), pl.read_ndjson(toy_folder / "items.jsonl")


@pytest.fixture
def sections(toy_settings) -> dict:
    """The toy pipeline, without the files that the frames replace."""
    toy_settings["prepare"] = {"text": toy_settings["prepare"]["text"]}
    toy_settings["finetune"]["tiger"]["epochs"] = 1
    return toy_settings


def test_polars_and_pandas_frames_give_the_same_run_and_a_second_call_trains_nothing(
    frames, sections, tmp_path, monkeypatch
):
    interactions, items = frames
    run = tigerlite.fit(interactions, items, out=tmp_path, settings=sections)
    answer = run.recommend([["f00", "f01"]], k=5)[0]
    assert len(answer.items) == 5
    assert set(answer.items) <= set(items["item"])
    assert answer.titles == [items.filter(pl.col("item") == item)["title"].item() for item in answer.items]

    def never(*given, **named):
        raise AssertionError("trained again")

    monkeypatch.setattr(recommend, "run", never)
    pandas = [pd.DataFrame(frame.to_dict(as_series=False)) for frame in frames]
    again = tigerlite.fit(*pandas, out=str(tmp_path), settings=sections)
    assert again.recommend([["f00", "f01"]], k=5)[0] == answer


def test_a_missing_column_and_an_unknown_setting_are_one_line_and_leave_nothing(frames, sections, tmp_path):
    interactions, items = frames
    with pytest.raises(InputError, match="no column 'user'; the columns there are: buyer, item, time"):
        tigerlite.fit(interactions.rename({"user": "buyer"}), items, out=tmp_path / "out", settings=sections)
    with pytest.raises(ConfigError, match="unknown key 'fintune'; did you mean 'finetune'"):
        tigerlite.fit(interactions, items, out=tmp_path / "out", settings={"fintune": {}})
    assert not list(tmp_path.rglob("DONE"))
