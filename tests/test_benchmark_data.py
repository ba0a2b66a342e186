"""The tables' data sets are put together as their page says, and nothing else passes for them."""

import hashlib
import json
import runpy
from pathlib import Path

import pytest

from tigerlite.config import ConfigError, InputError

SCRIPT = runpy.run_path(str(Path(__file__).resolve().parent.parent / "pipelines" / "benchmark_data.py"))
HEADER = "user_id,history_item_id,item_id\n"


@pytest.fixture
def clone(tmp_path):
    """Two users: one with a row in both splits, one with a row in the second alone."""
    folder = tmp_path / "clone" / "data" / "Amazon"
    for split, rows in (("valid", 'b,"[7, 3]",5\n'), ("test", 'b,"[3, 5]",7\na,[9],3\n')):
        (folder / split).mkdir(parents=True)
        (folder / split / SCRIPT["OFFICE"]).write_text(HEADER + rows)
    (folder / "index").mkdir()
    titles = {str(item): {"title": f"T{item}"} for item in range(10)}
    (folder / "index" / "Office_Products.item.json").write_text(json.dumps(titles))
    return tmp_path / "clone"


def test_office_is_every_user_s_latest_row(clone):
    made = SCRIPT["office"](clone)
    rows = ["b,P00003,0", "b,P00005,1", "b,P00007,2", "a,P00009,0", "a,P00003,1"]
    assert made["office/interactions.csv"].decode().splitlines() == ["user,item,position", *rows]
    items = [json.loads(line) for line in made["office/items.jsonl"].splitlines()]
    assert items == [{"item": f"P{item:05d}", "title": f"T{item}"} for item in (3, 5, 7, 9)]


def test_other_data_are_refused_and_nothing_is_written(clone, tmp_path):
    config = SCRIPT["BenchmarkData"](minionerec=clone, out=tmp_path / "out")
    with pytest.raises(InputError, match=r"office/interactions.csv has the sha256 .*check out the commits"):
        SCRIPT["main"](config)
    with pytest.raises(InputError, match=r"Yelp.txt cannot be read \(No such file or directory\); give the folder"):
        SCRIPT["main"](SCRIPT["BenchmarkData"](s3rec=clone, letter=clone, out=tmp_path / "out"))
    with pytest.raises(ConfigError, match="letter=None is out of range; allowed: a clone of LETTER"):
        SCRIPT["BenchmarkData"](s3rec=clone)
    with pytest.raises(ConfigError, match="allowed: a clone of LETTER with --s3rec"):
        SCRIPT["BenchmarkData"](s3rec=clone, minionerec=clone)
    (clone / "data" / "Amazon" / "test" / SCRIPT["OFFICE"]).write_text(
        "version https://git-lfs.github.com/spec/v1\nx\n"
    )
    with pytest.raises(InputError, match="a file of the clones is not what is published there"):
        SCRIPT["main"](config)
    assert not (tmp_path / "out").exists()


def test_the_digests_are_those_of_the_data(test_data):
    found = {name: hashlib.sha256((test_data / name).read_bytes()).hexdigest()[:16] for name in SCRIPT["DIGESTS"]}
    assert found == SCRIPT["DIGESTS"]
