"""Shared fixtures; the path gets the repository root, so that tests can import `tests.reference`, and `tests/toys`."""

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# One thread here and in the processes that tests start: sums over several threads round differently, and tests compare
# runs of both kinds to the last digit. Set before anything loads torch.
os.environ["OMP_NUM_THREADS"] = "1"

# A shell starts what runs in its background with Ctrl-C ignored, and processes pass that on; some tests send one.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
# Toys have a folder of their own on the path: the processes that tests start find another package named `tests` in site-packages.
FOUND = [str(ROOT), str(ROOT / "tests" / "toys")]
sys.path[:0] = FOUND
os.environ["PYTHONPATH"] = os.pathsep.join([*FOUND, *filter(None, [os.environ.get("PYTHONPATH")])])

GENRES = ("drama", "comedy", "horror", "western", "noir")


@pytest.fixture
def test_data() -> Path:
    """The folder of real data sets; tests that need it are skipped where it is not set."""
    folder = os.environ.get("TIGERLITE_TEST_DATA")
    if not folder:
        pytest.skip("TIGERLITE_TEST_DATA is not set to a folder of real data sets")
    return Path(folder)


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory) -> Path:
    """A made-up catalogue of 60 films in five genres and 90 users who mostly stay in one genre and watch in order."""
    folder = tmp_path_factory.mktemp("toy")
    rng = random.Random(0)
    lines = ["user,item,time"]
    for user in range(90):
        genre = user % len(GENRES)
        film = rng.randrange(12)
        for step in range(rng.randrange(6, 14)):
            lines.append(f"u{user},f{genre * 12 + film:02d},{1000 + step}")
            film = (film + (1 if rng.random() < 0.9 else rng.randrange(12))) % 12
    (folder / "interactions.csv").write_text("\n".join(lines) + "\n")
    items = [
        {"item": f"f{film:02d}", "title": f"Film {film}", "genre": GENRES[film // 12], "part": f"part {film % 12}"}
        for film in range(60)
    ]
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return folder


@pytest.fixture
def toy_settings(toy_folder) -> dict:
    """A pipeline over the toy films that needs no text model and takes seconds."""
    return _toy_settings(toy_folder)


def _toy_settings(toy_folder: Path) -> dict:
    tiny_t5 = {"n_encoder_layers": 1, "n_decoder_layers": 1, "d_model": 32, "n_heads": 2, "d_kv": 16, "d_ff": 64}
    return {
        "prepare": {
            "reader": "tabular",
            "folder": str(toy_folder),
            "tabular": {"items": "items.jsonl"},
            "text": {"attributes": ["genre", "part"]},
        },
        "encode": {"method": "attributes"},
        "tokenize": {
            "rqvae": {
                "hidden_sizes": [16],
                "latent": 8,
                "whiten": 8,
                "codebook_sizes": [8, 8],
                "epochs": 4,
                "batch_size": 32,
            }
        },
        "finetune": {
            "tiger": {
                "t5": tiny_t5,
                "epochs": 3,
                "batch_size": 64,
                "optimizer": {"lr": 3e-3, "warmup_epochs": 0.0},
                "valid_beams": 10,
            }
        },
        "evaluate": {"n_beams": 20},
    }


@pytest.fixture
def tigerlite_command(monkeypatch, capsys) -> Callable[..., tuple[int, str]]:
    """Runs `tigerlite` in this process; gives the exit code and what it printed on stderr."""
    from tigerlite import __main__ as program

    def call(*argv: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["tigerlite", *map(str, argv)])
        code = 0
        try:
            program.main()
        except SystemExit as ended:
            code = ended.code or 0
        return code, capsys.readouterr().err

    return call


@pytest.fixture(scope="session")
def toy_metrics(tmp_path_factory, toy_folder) -> dict:
    """Metrics of the toy pipeline, run once without a break."""
    from tigerlite.config import from_dict
    from tigerlite.stages.pipeline import train
    from tigerlite.stages.pipeline_config import PipelineConfig

    settings = {**_toy_settings(toy_folder), "out": str(tmp_path_factory.mktemp("whole"))}
    return train(from_dict(PipelineConfig, settings)).evaluation.metrics
