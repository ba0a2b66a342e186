"""A finished run without training: 24 items in a circle, a model that recommends the next ones, identifiers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tigerlite.data.dataset import RecDataset
from tigerlite.data.splits import leave_one_out
from tigerlite.recommenders.base import ScoringRecommender
from tigerlite.run_file import write_run
from tigerlite.stages import evaluate
from tigerlite.stages.evaluate_config import EvaluateConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

N_ITEMS = 24


class Next(ScoringRecommender):
    """Item j scores the higher the sooner it comes after the last item of the history plus `skipped`."""

    name = "next"
    fingerprint = "0"

    def __init__(self, skipped: int = 0) -> None:
        self.skipped = skipped

    def scores(self, histories: torch.Tensor) -> torch.Tensor:
        last = histories.gather(1, (histories > 0).sum(dim=1, keepdim=True).sub(1).clamp(min=0))
        return -((torch.arange(N_ITEMS + 1) - last - 1 - self.skipped) % N_ITEMS).float()

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def circle() -> RecDataset:
    """User u watches items u + 1, u + 2, ... but ends two further on; user 0 ends with the next one."""
    lengths = 4 + np.arange(10) % 3
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    items = np.concatenate([(user + np.arange(length)) % N_ITEMS + 1 for user, length in enumerate(lengths)])
    items[offsets[2:] - 1] = (items[offsets[2:] - 1] + 1) % N_ITEMS + 1
    split = leave_one_out(offsets)
    return RecDataset(
        items=items.astype(np.int32),
        offsets=offsets,
        train_ends=split.train_ends,
        validation=split.validation,
        test=split.test,
        user_ids=[f"u{user}" for user in range(10)],
        item_ids=[f"i{item}" for item in range(1, N_ITEMS + 1)],
        titles=[f"Item {item}" for item in range(1, N_ITEMS + 1)],
        statistics={"users": 10},
    )


def finished_run(out: Path, model: Next, *, identified: bool = True) -> Path:
    """A run folder with prepare, tokenize and evaluate; six items share a first code."""
    folders = {name: out / f"{name}-1" for name in ("prepare", "tokenize", "evaluate")}
    if not identified:
        del folders["tokenize"]
    for folder in folders.values():
        folder.mkdir(parents=True)
    dataset = circle()
    dataset.save(folders["prepare"])
    if identified:
        paths = torch.cartesian_prod(torch.arange(4), torch.arange(6))
        codes = torch.cat([torch.zeros(1, 2, dtype=torch.int64), paths])
        TokenizerBank(codes[None], SemanticVocab((4, 6))).save(folders["tokenize"])
    evaluate.run(EvaluateConfig(baselines=("popularity",)), dataset, model, out=folders["evaluate"])
    write_run(out, folders)
    return out


@pytest.fixture
def run(tmp_path) -> Path:
    """A run whose model is right for user 0 alone."""
    return finished_run(tmp_path / "run", Next())


@pytest.fixture
def other_run(tmp_path) -> Path:
    """A run on the same data whose model skips an item."""
    return finished_run(tmp_path / "other", Next(skipped=1))


@pytest.fixture
def unidentified_run(tmp_path) -> Path:
    """The run of a method without identifiers."""
    return finished_run(tmp_path / "plain", Next(), identified=False)
