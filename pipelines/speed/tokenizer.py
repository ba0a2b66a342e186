"""Tokenizer: training items per second of our RQ-VAE, whole epochs, and of the same model and loss fed by a DataLoader.

Ours gathers rows of a matrix that lies on the device and records every item's codes on the way; the DataLoader loop
collates batches on the CPU, reads the loss of every step, and encodes all items after the epoch to get their codes.
`--tables` chooses what is measured: `training` that, `encoding` and `collisions` a large catalogue (`identifiers.py`).
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.utils.data import DataLoader, TensorDataset

from speed.identifiers import collision_cases, encoding_cases
from speed.timing import Case, measure, prepare, report, write
from tigerlite.config import check, check_choice
from tigerlite.losses.quantization import commitment_loss, reconstruction_loss
from tigerlite.tokenizers.rqvae import RQVAE
from tigerlite.tokenizers.rqvae_config import RQVAEConfig

LOOP = "DataLoader loop, fp32"
TABLES = ("training", "encoding", "collisions")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark."""

    rqvae: RQVAEConfig = field(
        default_factory=lambda: RQVAEConfig(hidden_sizes=(2048, 1024, 512, 256), batch_size=2048)
    )
    """Network of both sides (MTGRec's, arXiv 2504.04400)."""
    tables: tuple[str, ...] = ("training", "encoding", "collisions")
    """What is measured."""
    n_items: int = 9_922
    """Items to train on (those of Amazon Instruments)."""
    n_dimensions: int = 768
    """Width of their embeddings."""
    n_large: int = 1_000_000
    """Items to encode and to tell apart."""
    large_width: int = 128
    """Width of their embeddings."""
    large_codes: int = 256
    """Codes of each of their three levels."""
    repeats: int = 5
    """Timed epochs per row."""
    device: str = "cpu"
    """cpu or cuda."""
    seed: int = 0
    """Seed of embeddings and weights."""
    out: Path | None = None
    """JSON file to write."""

    def __post_init__(self) -> None:
        for name in ("n_items", "n_dimensions", "n_large", "large_width", "large_codes", "repeats"):
            value = self.__dict__[name]
            check(value >= 1, name, value, "an integer >= 1")
        for table in self.tables:
            check_choice("tables", table, TABLES)


def run(config: Config) -> None:
    """Measure, print, write."""
    prepare(config.device)
    # training_step logs, and says once that nobody listens where there is no Trainer
    warnings.filterwarnings("ignore", message=".*self.trainer.*")
    rows = []
    for table in config.tables:
        n_items = config.n_items if table == "training" else config.n_large
        print(f"{table}: {n_items} items, {torch.get_num_threads()} threads, {config.device}")
        cases = _cases(config, table)
        rows += report(cases, measure(cases, config.repeats, config.device), unit="items", device=config.device)
    write(config.out, "tokenizer", config, rows)


def _cases(config: Config, table: str) -> list[Case]:
    if table == "encoding":
        return encoding_cases(config.n_large, config.large_width, config.large_codes, config.seed)
    if table == "collisions":
        return collision_cases(config.n_large, config.large_width, config.large_codes, config.seed)
    calls = (
        ("ours, fp32", _ours(config, bf16=False)),
        ("ours, bf16", _ours(config, bf16=True)),
        (LOOP, _loop(config, bf16=False)),
        ("DataLoader loop, bf16", _loop(config, bf16=True)),
    )
    return [
        Case(name=name, call=call, amount=config.n_items, baseline=LOOP, precision=name[-4:]) for name, call in calls
    ]


def _model(config: Config) -> RQVAE:
    torch.manual_seed(config.seed)
    model = RQVAE(config.rqvae, config.n_dimensions)
    model.attach(torch.randn(config.n_items, config.n_dimensions))
    return model.to(config.device).train()


def _ours(config: Config, *, bf16: bool) -> Callable[[], None]:
    model = _model(config)
    batches = model.train_dataloader()
    optimizer = model.configure_optimizers()["optimizer"]

    def epoch() -> None:
        for rows in batches:
            with torch.autocast(config.device, torch.bfloat16, enabled=bf16):
                loss = model.training_step(rows.to(config.device))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    return epoch


def _loop(config: Config, *, bf16: bool) -> Callable[[], None]:
    model = _model(config)
    items = model.items.cpu()
    batches = DataLoader(TensorDataset(items[model.training_rows]), batch_size=config.rqvae.batch_size, shuffle=True)
    optimizer = model.configure_optimizers()["optimizer"]

    def epoch() -> None:
        total = 0.0
        for (inputs,) in batches:
            inputs = inputs.to(config.device)
            with torch.autocast(config.device, torch.bfloat16, enabled=bf16):
                reconstructions, quantized = model(inputs)
                loss = reconstruction_loss(reconstructions, inputs)
                loss = loss + config.rqvae.beta * commitment_loss(quantized.residuals, quantized.vectors)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            total += loss.item()
        with torch.no_grad(), torch.autocast(config.device, torch.bfloat16, enabled=bf16):
            for part in items.split(config.rqvae.batch_size):
                model.quantizer.encode(model.encoder(part.to(config.device))).cpu()

    return epoch
