"""Training samples per second of our T5 and of transformers' T5 of equal size, on the same padded batch.

One call is forward, backward, gradient clipping and a fused AdamW step. `full vocabulary` is the objective of the
transformers row; `level softmax` normalises each position over the codes of its level.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.nn import functional as F

from speed.synthetic import Synthetic, synthetic
from speed.timing import Case, measure, report, write
from tigerlite.config import check
from tigerlite.recommenders.t5 import T5, T5Config


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark."""

    model: T5Config = field(default_factory=lambda: T5Config(n_heads=4, d_ff=512))
    """Network of both sides (MTGRec's width, arXiv 2504.04400)."""
    batch_size: int = 256
    """Samples in a batch."""
    max_history: int = 20
    """Items of the longest history."""
    n_levels: int = 4
    """Codes per item."""
    codebook_size: int = 256
    """Codes per level."""
    n_items: int = 10_000
    """Items of the catalogue."""
    repeats: int = 7
    """Timed calls per row."""
    device: str = "cpu"
    """cpu or cuda."""
    seed: int = 0
    """Seed of data and weights."""
    out: Path | None = None
    """JSON file to write."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_history", "n_levels", "codebook_size", "n_items", "repeats"):
            value = self.__dict__[name]
            check(value >= 1, name, value, "an integer >= 1")


def run(config: Config) -> None:
    """Measure, print, write."""
    data = synthetic(
        n_users=config.batch_size,
        n_items=config.n_items,
        n_levels=config.n_levels,
        codebook_size=config.codebook_size,
        max_history=config.max_history,
        seed=config.seed,
        device=config.device,
    )
    torch.manual_seed(config.seed)
    ours = T5(config.model, data.vocab_size).to(config.device)
    theirs = ours.to_huggingface().to(config.device)
    cases = []
    for precision in ("fp32", "bf16"):
        baseline = f"transformers {precision}"
        losses = {
            f"ours, level softmax {precision}": (ours, _level_loss),
            f"ours, full vocabulary {precision}": (ours, _vocabulary_loss),
            baseline: (theirs, _transformers_loss),
        }
        for name, (model, loss) in losses.items():
            cases.append(Case(name, _training_step(model, loss, data, precision == "bf16"), baseline))
    padding = 1 - float(data.mask.float().mean())
    print(f"batch {config.batch_size}, padding {padding:.0%}, {torch.get_num_threads()} threads, {config.device}")
    rows = report(cases, measure(cases, config.repeats), amount=config.batch_size, unit="samples")
    write(config.out, "train", config, rows, padding=padding)


def _training_step(
    model: torch.nn.Module, loss: Callable[[torch.nn.Module, Synthetic], torch.Tensor], data: Synthetic, bf16: bool
) -> Callable[[], None]:
    model.train()
    # lr 0: the weights of the rows that share a model stay as they are
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, fused=True)

    def step() -> None:
        with torch.autocast(data.tokens.device.type, torch.bfloat16, enabled=bf16):
            value = loss(model, data)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def _hidden(model: T5, data: Synthetic) -> tuple[torch.Tensor, torch.Tensor]:
    """Decoder states (B, L, D) by teacher forcing, and the target codes (B, L)."""
    codes = data.codes[data.targets]
    labels = codes + torch.tensor(data.starts, device=codes.device)
    return model.decode(F.pad(labels[:, :-1], (1, 0)), model.encode(data.tokens, data.mask), data.mask), codes


def _level_loss(model: T5, data: Synthetic) -> torch.Tensor:
    hidden, codes = _hidden(model, data)
    return F.cross_entropy(model.level_logits(hidden, data.starts, data.sizes).flatten(0, 1), codes.flatten())


def _vocabulary_loss(model: T5, data: Synthetic) -> torch.Tensor:
    hidden, codes = _hidden(model, data)
    labels = codes + torch.tensor(data.starts, device=codes.device)
    return F.cross_entropy(model.logits(hidden).flatten(0, 1), labels.flatten())


def _transformers_loss(model: torch.nn.Module, data: Synthetic) -> torch.Tensor:
    labels = data.codes[data.targets] + torch.tensor(data.starts, device=data.codes.device)
    return model(input_ids=data.tokens, attention_mask=data.mask.long(), labels=labels).loss
