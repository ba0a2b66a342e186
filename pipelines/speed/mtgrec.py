"""Many identifiers per item: what an optimizer step costs with M members against one, and what a bank costs to keep.

Both rows take the same batches; members are drawn per sample and codes gathered on the device. The ratio is paired: each
round times both rows.
"""

import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning.fabric.utilities import move_data_to_device

from speed.synthetic import DataConfig
from speed.timing import Case, measure, prepare, report, write
from speed.train import optimizer_steps
from tigerlite.config import check, to_dict
from tigerlite.data.datamodule import SequenceDataModule
from tigerlite.data.dataset import RecDataset
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

ONE = "1 member"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark."""

    model: T5Config = field(default_factory=lambda: T5Config(n_heads=4, d_ff=512))
    """Network (MTGRec's, arXiv 2504.04400)."""
    data: DataConfig = field(default_factory=DataConfig)
    n_members: int = 25
    """Identifiers per item."""
    batch_size: int = 256
    """Training targets per optimizer step."""
    n_batches: int = 4
    """Optimizer steps per timed call."""
    repeats: int = 10
    """Timed calls per row."""
    bank_members: int = 30
    """Members of the bank that is written and read."""
    bank_items: int = 25_000
    """Its items."""
    device: str = "cpu"
    """cpu or cuda."""
    out: Path | None = None
    """JSON file to write."""

    def __post_init__(self) -> None:
        for name in ("n_members", "batch_size", "n_batches", "bank_members", "bank_items"):
            check(self.__dict__[name] >= 1, name, self.__dict__[name], "an integer >= 1")
        check(self.repeats >= 2, "repeats", self.repeats, "an integer >= 2")


def run(config: Config) -> None:
    """Measure, print, write."""
    prepare(config.device)
    dataset, bank = config.data.load()
    several = f"{config.n_members} members"
    cases = [
        _case(config, dataset, bank, ONE),
        _case(config, dataset, shuffled_members(bank, config.n_members), several),
    ]
    measured = measure(cases, config.repeats, config.device)
    rows = report(cases, measured, unit="targets", device=config.device)
    ratios = [b / a for a, b in zip(measured[ONE].seconds, measured[several].seconds, strict=True)]
    mean = statistics.mean(ratios)
    half = 1.96 * statistics.stdev(ratios) / len(ratios) ** 0.5
    print(f"time of a step, {several} / {ONE}: {mean:.3f}, 95 % between {mean - half:.3f} and {mean + half:.3f}")
    saved, loaded = bank_seconds(config)
    print(f"a bank of {config.bank_members} x {config.bank_items}: written in {saved:.2f} s, read in {loaded:.2f} s")
    write(
        config.out,
        "mtgrec",
        config,
        rows,
        ratio=mean,
        ratio_low=mean - half,
        ratio_high=mean + half,
        bank_save_seconds=saved,
        bank_load_seconds=loaded,
    )


def shuffled_members(bank: TokenizerBank, n_members: int) -> TokenizerBank:
    """A bank whose members give the primary's codes to other items."""
    generator = torch.Generator().manual_seed(0)
    members = []
    for _ in range(n_members):
        order = 1 + torch.randperm(bank.n_items, generator=generator)
        members.append(torch.cat([bank.primary[:1], bank.primary[order]]))
    return TokenizerBank(torch.stack(members), bank.vocab)


def bank_seconds(config: Config) -> tuple[float, float]:
    """Seconds to write and to read (and check) a bank of four levels."""
    items = torch.arange(config.bank_items)
    codes = torch.stack([items % 256, items // 256 % 256, items // 65536, torch.zeros_like(items)], dim=1)
    codes = torch.cat([torch.zeros(1, 4, dtype=torch.int64), codes])
    vocab = SemanticVocab((256, 256, 1 + config.bank_items // 65536, 1))
    bank = TokenizerBank(codes.expand(config.bank_members, -1, -1).contiguous(), vocab)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        bank.save(Path(folder))
        between = time.perf_counter()
        TokenizerBank.load(Path(folder))
        return between - started, time.perf_counter() - between


def _case(config: Config, dataset: RecDataset, bank: TokenizerBank, name: str) -> Case:
    torch.manual_seed(config.data.seed)
    model = TIGER(to_dict(TIGERConfig(t5=config.model, max_history=config.data.max_history)), bank).to(config.device)
    loader = SequenceDataModule(
        dataset, batch_size=config.batch_size, max_history=config.data.max_history, seed=config.data.seed
    ).train_dataloader()
    batches = []
    for batch in loader:
        batches.append(move_data_to_device(batch, config.device))
        if len(batches) == config.n_batches:
            break

    def loss(step: int):
        model.set_draw("sample", seed=0, epoch=0, step=step, part=0, n_parts=1)
        return model.training_losses(batches[step]).mean()

    losses = [lambda step=step: loss(step) for step in range(len(batches))]
    amount = sum(len(batch.targets) for batch in batches)
    return Case(name=name, call=optimizer_steps(model.t5, losses, "fp32", config.device), amount=amount, baseline=ONE)
