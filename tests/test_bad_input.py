"""Every mistake in what a user gives is one line that names it, exit code 2, and nothing half-written."""

import gzip
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

GOOD = "user,item,time\n" + "".join(f"u{user},i{item},{item}\n" for user in range(6) for item in range(6))
ITEMS = "".join(json.dumps({"item": f"i{item}", "title": f"Item {item}"}) + "\n" for item in range(6))


@pytest.fixture
def refused(tigerlite_command, tmp_path):
    """Runs a command that must fail in one line with exit code 2 and leave no finished stage; gives the line."""

    def call(*argv: str) -> str:
        code, error = tigerlite_command(*argv, f"--out={tmp_path / 'out'}")
        assert code == 2, error
        assert error.count("\n") == 1
        assert error.startswith("error: ")
        assert not list(tmp_path.rglob("*.claim"))
        return error

    return call


@pytest.fixture
def config_file(tmp_path):
    """Writes settings where `--config` finds them."""

    def write(settings: dict) -> str:
        file = tmp_path / "config.yaml"
        file.write_text(json.dumps(settings))
        return f"--config={file}"

    return write


def finished(out: Path) -> set[str]:
    """Stages with a finished folder."""
    return {done.parent.name.split("-")[0] for done in out.rglob("DONE")}


FILES = {
    "no interactions": ({}, [], "interactions.csv does not exist; check prepare.folder"),
    "no item table": ({"interactions.csv": GOOD}, ["items=items.jsonl"], "items.jsonl does not exist"),
    "no user column": (
        {"interactions.csv": GOOD},
        ["user=buyer"],
        "interactions.csv: no column 'buyer'; the columns there are: user, item, time",
    ),
    "no item column": (
        {"interactions.csv": GOOD, "items.jsonl": '{"asin": "i0"}\n'},
        ["items=items.jsonl"],
        "items.jsonl: no column 'item'; the columns there are: asin",
    ),
    "csv line": ({"interactions.csv": "user,item,time\na,x,1\nb,y,2,9\n"}, [], "interactions.csv, line 3: 4 fields"),
    "json line": (
        {"interactions.csv": GOOD, "items.jsonl": ITEMS + '{"item": "i6", "ti\n'},
        ["items=items.jsonl"],
        "items.jsonl, line 7: not JSON",
    ),
    "null user": ({"interactions.csv": GOOD + ",i1,1\n"}, [], "1 rows have no user id (column 'user')"),
    "null item": ({"interactions.csv": GOOD + "u1,,1\n"}, [], "1 rows have no item id (column 'item')"),
    "time in words": (
        {"interactions.csv": GOOD + "u1,i1,yesterday\n"},
        [],
        "column 'time' has 1 values that are neither numbers nor dates, first 'yesterday' in data row 37",
    ),
    "no times": ({"interactions.csv": GOOD.replace("time", "when")}, [], "no column 'time'"),
    "empty file": ({"interactions.csv": ""}, [], "interactions.csv: the file is empty"),
    "only a header": ({"interactions.csv": "user,item,time\n"}, [], "no interaction"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_damaged_table_is_named(refused, tmp_path, case):
    files, flags, message = FILES[case]
    data = tmp_path / "data"
    data.mkdir()
    for name, content in files.items():
        (data / name).write_text(content)
    flags = [f"--prepare.tabular.{flag}" for flag in flags]
    assert message in refused("prepare", "--prepare.reader=tabular", f"--prepare.folder={data}", *flags)
    assert finished(tmp_path) == set()


@pytest.mark.parametrize(
    ("reader", "files", "message"),
    [
        ("letter", {"inter.json": '{\n"0": [1, 2],\n"1": [1, \n'}, "inter.json, line 4"),
        ("letter", {"inter.json": '{"0": [1, null]}'}, "inter.json"),
        ("letter", {}, "inter.json does not exist"),
        ("s3rec", {"sequences.txt": "1 5 6\n2 five 6\n"}, "line 2"),
        ("s3rec", {}, "does not exist"),
    ],
)
def test_damaged_sequences_name_the_file_and_the_line(refused, tmp_path, reader, files, message):
    data = tmp_path / "data"
    data.mkdir()
    for name, content in files.items():
        (data / name).write_text(content)
    assert message in refused("prepare", f"--prepare.reader={reader}", f"--prepare.folder={data}")
    assert finished(tmp_path) == set()


def prepare_flags(data: Path, items: str = ITEMS) -> list[str]:
    data.mkdir()
    (data / "interactions.csv").write_text(GOOD)
    (data / "items.jsonl").write_text(items)
    return ["--prepare.reader=tabular", f"--prepare.folder={data}", "--prepare.tabular.items=items.jsonl"]


def test_filters_that_remove_everything_are_named_with_their_counts(refused, tmp_path):
    flags = prepare_flags(tmp_path / "data")
    line = refused("prepare", *flags, "--prepare.filtering.min_user_interactions=7")
    assert "k-core(min_user_interactions=7" in line
    assert "36 -> 0" in line
    assert finished(tmp_path) == set()


def test_items_without_text_are_counted_or_refused_by_flag(refused, tigerlite_command, tmp_path):
    flags = prepare_flags(tmp_path / "data", items="".join(ITEMS.splitlines(keepends=True)[:4]))
    line = refused("prepare", *flags, "--prepare.text.missing=refuse")
    assert "2 of 6 interacted items have no text (first: 'i4'); add them to the item table" in line
    assert finished(tmp_path) == set()
    code, error = tigerlite_command("prepare", *flags, f"--out={tmp_path / 'out'}")
    assert (code, error) == (0, "")
    (statistics,) = (tmp_path / "out").glob("prepare-*/statistics.json")
    assert json.loads(statistics.read_text())["items_without_text"] == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"tokenize": {"rqvae": {"betta": 1}}},
            "unknown key 'tokenize.rqvae.betta'; did you mean 'tokenize.rqvae.beta'",
        ),
        ({"finetune": {"tiger": {"t5": {"dropout": 1.5}}}}, "finetune.tiger.t5.dropout=1.5 is out of range"),
        ({"finetune": {"tiger": {"epochs": "many"}}}, "finetune.tiger.epochs"),
        ({"evaluate": {"split": "tests"}}, "did you mean 'test'"),
        ({"until": "tokenise"}, "until='tokenise' is unknown"),
    ],
)
def test_a_mistake_in_a_config_file_is_found_before_anything_runs(refused, config_file, tmp_path, settings, message):
    assert message in refused("evaluate", config_file(settings))
    assert not (tmp_path / "out").exists()


def test_a_config_file_that_is_missing_or_no_yaml_is_named(refused, tmp_path):
    assert "config file nowhere.yaml does not exist" in refused("prepare", "--config=nowhere.yaml")
    (tmp_path / "broken.yaml").write_text("prepare: [")
    assert "broken.yaml is not YAML" in refused("prepare", f"--config={tmp_path / 'broken.yaml'}")


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.full((60, 4), np.nan), "embeddings hold NaN or infinity in 60 of 60 rows, first in row 0 (item id 1)"),
        (np.ones((59, 4)), "embeddings have 59 rows but the data set has 60 items; give one row per item"),
        (np.array(["a"] * 60), "is not an .npy array of numbers|embeddings are"),
        (None, "mine.npy does not exist; give an .npy file"),
    ],
)
def test_embeddings_that_do_not_fit_are_refused_and_the_data_set_is_kept(
    refused, config_file, tmp_path, toy_settings, matrix, message
):
    if matrix is not None:
        np.save(tmp_path / "mine.npy", matrix)
    toy_settings["encode"] = {"method": "file", "file": {"path": str(tmp_path / "mine.npy")}}
    line = refused("encode", config_file(toy_settings))
    assert any(part in line for part in message.split("|"))
    assert finished(tmp_path) == {"prepare"}
    assert not list(tmp_path.rglob("embeddings.npy"))


def test_fewer_items_than_codes_names_the_setting(refused, config_file, tmp_path, toy_settings):
    toy_settings["tokenize"]["rqvae"]["codebook_sizes"] = [128, 8]
    assert "codebook_sizes" in refused("tokenize", config_file(toy_settings))
    assert finished(tmp_path) == {"prepare", "encode"}


def test_a_finished_folder_that_was_altered_is_named_and_never_used(refused, tigerlite_command, tmp_path):
    flags = prepare_flags(tmp_path / "data")
    assert tigerlite_command("prepare", *flags, f"--out={tmp_path / 'out'}") == (0, "")
    (statistics,) = (tmp_path / "out").glob("prepare-*/statistics.json")
    statistics.write_text(statistics.read_text().replace("36", "37"))
    line = refused("prepare", *flags)
    assert f"{statistics} differs from the checksum in DONE; delete {statistics.parent} to rebuild it" in line
    statistics.unlink()
    assert f"{statistics} is missing though its folder is marked finished" in refused("prepare", *flags)


def test_a_damaged_gzip_file_is_named(refused, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "e.csv.gz").write_bytes(gzip.compress(GOOD.encode())[:-9])
    flags = ["--prepare.reader=tabular", f"--prepare.folder={data}", "--prepare.tabular.interactions=e.csv.gz"]
    assert "e.csv.gz" in refused("prepare", *flags)


def test_hardware_that_is_not_there_is_named_before_anything_is_trained(refused, config_file, tmp_path, toy_settings):
    line = refused("tokenize", config_file(toy_settings), "--trainer.accelerator=tpu")
    assert "trainer settings (accelerator=tpu" in line
    assert finished(tmp_path) == {"prepare", "encode"}


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a file system of so many bytes, and changes its size later; skipped where that is not permitted."""
    place = tmp_path / "disk"
    place.mkdir()

    def size(n_bytes: int) -> Path:
        options = f"size={n_bytes}" if not place.is_mount() else f"remount,size={n_bytes}"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"cannot mount a small file system here: {done.stderr.strip()}")
        return place

    yield size
    if place.is_mount():
        subprocess.run(["umount", "-l", place], check=True)


DISKS = {"prepare": 4096, "tokenize": 80_000, "finetune": 600_000}


@pytest.mark.parametrize("stage", DISKS)
def test_a_full_disk_is_one_line_and_with_space_the_run_goes_on_to_the_same_metrics(
    tigerlite_command, config_file, small_disk, tmp_path, toy_settings, stage, toy_metrics
):
    out = small_disk(DISKS[stage]) / "out"
    config = config_file(toy_settings)
    code, error = tigerlite_command("evaluate", config, f"--out={out}")
    assert code == 2, error
    assert error.count("\n") == 1
    assert "No space left on device" in error
    assert stage not in finished(out)
    small_disk(50_000_000)
    assert tigerlite_command("evaluate", config, f"--out={out}") == (0, "")
    (metrics,) = out.glob("evaluate-*/metrics.json")
    assert json.loads(metrics.read_text())["metrics"] == toy_metrics
    assert not list(out.rglob("*.aside"))
