"""The README and the pages of results keep their word: Python runs, commands parse, files and links exist."""

import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import polars as pl
import pytest

from tigerlite import __main__ as program
from tigerlite.command_line import parse
from tigerlite.stages.pipeline import train
from tigerlite.stages.pipeline_config import PipelineConfig
from tigerlite.stages.trainer_config import TrainerConfig

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "results").glob("*.md"))]
FENCE = re.compile(
    r"(?P<skip><!-- test: skip -->\s*\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE
)
N_FILMS = 320
"""More than the 256 codes of a level, so that the default tokenizer has enough items to train on."""


class Block(NamedTuple):
    """A fenced block and the line of the README where its text begins."""

    text: str
    line: int


def blocks(readme: str, language: str) -> Iterator[Block]:
    """Blocks of one language, without those after `<!-- test: skip -->`."""
    for found in FENCE.finditer(readme):
        if found["language"] == language and not found["skip"]:
            yield Block(found["text"], readme[: found.start("text")].count("\n") + 1)


def commands(block: Block) -> Iterator[list[str]]:
    """The words of every command line of a block; continued lines are joined, `&&` and pipes part commands."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = next((place for place, word in enumerate(words) if word in ("&&", "|", ";")), len(words))
            yield words[:end]
            words = words[end + 1 :]


COMMANDS = [(block.line, words) for block in blocks(README, "bash") for words in commands(block)]
OURS = [
    (f"README line {line}", words)
    for line, words in COMMANDS
    if "tigerlite" in words or any(word.startswith("pipelines/") for word in words)
]


INLINE = re.compile(r"`((?:python pipelines/|tigerlite report )[^`]+)`")
QUOTED = [
    (page.name, shlex.split(" ".join(line.split()))) for page in PAGES for line in INLINE.findall(page.read_text())
]
"""Commands inside sentences; their capital words (FOLDER, RUN) are the reader's to fill in."""


def called(words: list[str]) -> str:
    return " ".join(words)[:80]


@pytest.fixture
def explain(monkeypatch):
    """Runs a command with `--help` after its flags: all are read, then it explains itself instead of working."""

    def call(words: list[str]) -> int:
        start = next(place for place, word in enumerate(words) if word == "tigerlite" or word.startswith("pipelines/"))
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(sys, "argv", [*words[start:], "--help"])
        monkeypatch.setattr(sys, "path", [str(ROOT / "pipelines"), *sys.path])
        try:
            if words[start] == "tigerlite":
                program.main()
            else:
                runpy.run_path(words[start], run_name="__main__")
        except SystemExit as ended:
            return ended.code or 0
        return 0

    return call


@pytest.mark.parametrize(
    ("place", "words"), OURS + QUOTED, ids=lambda given: given if isinstance(given, str) else called(given)
)
def test_a_command_parses_and_its_files_exist(place, words, explain, capsys):
    code = explain(words)
    printed = capsys.readouterr()
    assert code == 0, f"{place}: {printed.err}"
    assert "usage:" in printed.out


@pytest.mark.parametrize(
    "command",
    [
        "tigerlite tokenise",
        "tigerlite tokenize --tokenize.rqvae.betta=1",
        "python pipelines/tiger.py --config=configs/nothing.yaml",
        "fabric run --devices=2 pipelines/tiger.py --config=configs/demo.yaml --seed=many",
        "tigerlite recommend runs/demo --histories=1",
    ],
)
def test_a_command_with_a_mistake_would_be_noticed(command, explain):
    assert explain(shlex.split(command)) == 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_the_repository_that_is_named_exists(page):
    text = page.read_text()
    named = set(re.findall(r"(?<![\w/.])(?:configs|pipelines|notebooks|tests)/[\w./-]*[\w/]", text))
    assert not sorted(name for name in named if not (ROOT / name).exists())
    linked = {link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link}
    assert not sorted(link for link in linked if not (page.parent / link).exists())


def test_every_page_of_results_is_linked_from_the_readme():
    assert not [page.name for page in PAGES[1:] if f"docs/results/{page.name}" not in README]


@pytest.fixture(scope="module")
def frames() -> tuple[pl.DataFrame, pl.DataFrame]:
    """As many users as films, each watching seven films in order; every film has a title and a genre."""
    films = [f"f{film:02d}" for film in range(N_FILMS)]
    events = [
        {"user": f"u{user}", "item": films[(user + step) % N_FILMS], "time": 1000 * user + step}
        for user in range(N_FILMS)
        for step in range(7)
    ]
    items = [{"item": name, "title": f"Film {name}", "genre": f"genre {film % 40}"} for film, name in enumerate(films)]
    return pl.DataFrame(events), pl.DataFrame(items)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the blocks run; shared, so that the same data as another kind of frame trains nothing again."""
    return tmp_path_factory.mktemp("readme")


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_the_python_blocks_run_from_top_to_bottom(kind, frames, folder, monkeypatch):
    monkeypatch.chdir(folder)
    # That the blocks run shows after one epoch as well as after all.
    monkeypatch.setattr(TrainerConfig, "epochs", lambda self, planned: 1)
    if kind == "pandas":
        frames = tuple(pd.DataFrame(frame.to_dict(as_series=False)) for frame in frames)
    namespace = {"interactions": frames[0], "items": frames[1]}
    for block in blocks(README, "python"):
        # Line numbers as in the README, so that a failure names the place.
        exec(compile("\n" * (block.line - 1) + block.text, "README.md", "exec"), namespace)
    assert Path.cwd() == folder


def test_the_example_of_your_own_files_reads_files_with_those_names_and_columns(frames, tmp_path, monkeypatch):
    (words,) = [words for _, words in OURS if "--prepare.reader=tabular" in words]
    config = parse(PipelineConfig, [word for word in words if word.startswith("--")], program="test")
    columns = config.prepare.tabular
    data = tmp_path / config.prepare.folder
    data.mkdir()
    events, items = frames
    events.rename({"user": columns.user, "item": columns.item, "time": columns.time}).write_csv(
        data / columns.interactions
    )
    items.rename({"item": columns.item_id}).write_csv(data / columns.items)
    monkeypatch.chdir(tmp_path)
    dataset = train(replace(config, until="prepare")).dataset
    assert (dataset.n_users, dataset.n_items) == (N_FILMS, N_FILMS)
    assert dataset.titles[0] == "Film f00"


def test_blocks_commands_and_skips_are_found():
    readme = (
        "# A\n\n```bash\npip install x && tigerlite prepare \\\n    --a=1  # why\n```\n\n"
        "<!-- test: skip -->\n```bash\ntigerlite nothing\n```\n\n```python\nx = 1\n```\n"
    )
    (shell,) = blocks(readme, "bash")
    assert list(commands(shell)) == [["pip", "install", "x"], ["tigerlite", "prepare", "--a=1"]]
    (python,) = blocks(readme, "python")
    assert (python.text, readme.splitlines()[python.line - 1]) == ("x = 1\n", "x = 1")
