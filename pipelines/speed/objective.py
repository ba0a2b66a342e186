"""Cost of the full multi-target objective over plain cross-entropy: the ratio of the times of paired optimizer steps.

Two models with the same weights take the same batches one after the other, in alternating order, so that drift of the
machine falls on both: forward, backward, clipping, AdamW, and for the objective also its pace and the learnt mixing. The
interval is a bootstrap of the median over pairs.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric.utilities import move_data_to_device

from speed.synthetic import DataConfig
from speed.timing import prepare, write
from tigerlite.callbacks.curriculum import CurriculumConfig, loss_weights
from tigerlite.config import check, check_choice, to_dict
from tigerlite.data.datamodule import SequenceDataModule
from tigerlite.data.dataset import RecDataset
from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.data.sequences import Batch
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.optim import build_optimizer
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.stages.objective import build_objective
from tigerlite.stages.objective_config import ObjectiveConfig
from tigerlite.tokenizers.bank import TokenizerBank

LIMIT = 1.05
N_RESAMPLES = 10_000


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark."""

    model: T5Config = field(default_factory=lambda: T5Config(n_heads=4, d_ff=512))
    """Network of both sides."""
    data: DataConfig = field(default_factory=DataConfig)
    batch_size: int = 256
    """Training targets per optimizer step."""
    n_batches: int = 4
    """Batches that are gone through again and again."""
    attention: str = "bidirectional"
    """bidirectional (one pass per target) or causal (all prefixes of a sequence in one)."""
    repeats: int = 15
    """Times that every batch is a pair."""
    device: str = "cpu"
    """cpu or cuda."""
    out: Path | None = None
    """JSON file to write."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "n_batches", "repeats"):
            value = self.__dict__[name]
            check(value >= 1, name, value, "an integer >= 1")
        check_choice("attention", self.attention, ("bidirectional", "causal"))


def run(config: Config) -> None:
    """Measure, print, write."""
    prepare(config.device)
    dataset, bank = config.data.load()
    batches = _batches(config, dataset)
    steps = {
        "plain cross-entropy": _stepper(config, bank, None),
        "multi-target": _stepper(config, bank, dataset),
    }
    seconds = _paired(steps, batches, config)
    plain, full = (np.array(values) for values in seconds.values())
    low, high = _interval(full / plain)
    ratio = float(np.median(full / plain))
    for name, values in seconds.items():
        print(f"{name:20}  {1e3 * np.median(values):8.2f} ms per step")
    verdict = "within" if high <= LIMIT else "not shown to be within"
    print(f"{len(plain)} pairs: ratio {ratio:.3f}, 95 % between {low:.3f} and {high:.3f}; {verdict} {LIMIT}")
    rows = [
        {"name": name, "per_second": config.batch_size / float(np.median(values)), "seconds": values}
        for name, values in seconds.items()
    ]
    write(config.out, "objective", config, rows, ratio=ratio, low=low, high=high)


def _batches(config: Config, dataset: RecDataset) -> list[Batch | PrefixBatch]:
    loader = SequenceDataModule(
        dataset,
        batch_size=config.batch_size,
        max_history=config.data.max_history,
        seed=config.data.seed,
        all_prefixes=config.attention == "causal",
    ).train_dataloader()
    chosen = [batch for batch, _ in zip(loader, range(config.n_batches), strict=False)]
    return [move_data_to_device(batch, config.device) for batch in chosen]


def _stepper(config: Config, bank: TokenizerBank, dataset: RecDataset | None) -> Callable[[Any, int], None]:
    """One optimizer step on a batch, with the multi-target objective fitted to a data set or without."""
    torch.manual_seed(config.data.seed)
    settings = TIGERConfig(t5=config.model, max_history=config.data.max_history, encoder_attention=config.attention)
    model = TIGER(to_dict(settings), bank)
    pace, targets = CurriculumConfig(schedule="exponential"), ()
    if dataset is not None:
        objective = ObjectiveConfig(method="multi_target", curriculum=pace)
        targets = objective.multi_target.targets
        rows = np.random.default_rng(config.data.seed).standard_normal((bank.n_items, 16))
        model.set_objective(build_objective(objective, dataset, bank, ItemEmbeddings(rows)).module)
    model = model.to(config.device).train()
    n_steps = config.n_batches * config.repeats
    optimizer = build_optimizer(model, settings.optimizer, separate=model.separate_parameters(n_steps))

    def step(batch: Batch | PrefixBatch, number: int) -> None:
        if targets:
            model.set_loss_weights(loss_weights(pace, targets, number, n_steps))
        model.training_losses(batch).mean().backward()
        model.configure_gradient_clipping(optimizer, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def _paired(
    steps: dict[str, Callable[[Any, int], None]], batches: list[Batch | PrefixBatch], config: Config
) -> dict[str, list[float]]:
    """Seconds of every step, pair by pair, after a round that is not timed."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for batch in batches:
        for step in steps.values():
            step(batch, 0)
    for number in range(config.n_batches * config.repeats):
        batch = batches[number % len(batches)]
        names = list(steps) if number // len(batches) % 2 == 0 else list(reversed(steps))
        for name in names:
            _synchronise(config.device)
            start = time.perf_counter()
            steps[name](batch, number)
            _synchronise(config.device)
            found[name].append(time.perf_counter() - start)
    return found


def _interval(ratios: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of the median."""
    generator = np.random.default_rng(0)
    medians = np.median(generator.choice(ratios, (N_RESAMPLES, len(ratios))), axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(low), float(high)


def _synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
