"""SASRec's training: targets per second of ours and of a plain PyTorch loop of the same size, over the same sequences.

One call takes optimizer steps over the same users: forward, backward, gradient clipping, fused AdamW, full-catalogue
cross-entropy at all positions. The loop is what one would write by hand: `nn.TransformerEncoder` with a causal mask,
logits of all items at the positions that have a target, `F.cross_entropy`; `padded` pads every sequence to max_history as
most published code does, `bucketed` gets our batches.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor, nn
from torch.nn import functional as F

from speed.synthetic import DataConfig
from speed.timing import Case, measure, prepare, report, write
from speed.train import optimizer_steps, padding_share
from tigerlite.config import check, to_dict
from tigerlite.data.datamodule import SequenceDataModule
from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.data.sequences import item_counts
from tigerlite.recommenders.baselines.sasrec import SASRecConfig
from tigerlite.recommenders.nextitem import NextItem, NextItemConfig

PADDED = "plain loop, padded, fp32"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark."""

    model: SASRecConfig = field(default_factory=SASRecConfig)
    """Network of all sides."""
    data: DataConfig = field(default_factory=lambda: DataConfig(n_items=20_000, max_history=50))
    batch_size: int = 1024
    """Training targets per optimizer step."""
    n_batches: int = 6
    """Optimizer steps per timed call."""
    repeats: int = 5
    """Timed calls per row."""
    device: str = "cpu"
    """cpu or cuda."""
    out: Path | None = None
    """JSON file to write."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "n_batches", "repeats"):
            value = self.__dict__[name]
            check(value >= 1, name, value, "an integer >= 1")


class PlainSASRec(nn.Module):
    """SASRec from torch's own layers."""

    def __init__(self, config: SASRecConfig, n_items: int, max_history: int) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, config.d_model, padding_idx=0)
        self.positions = nn.Embedding(max_history, config.d_model)
        layer = nn.TransformerEncoderLayer(
            config.d_model, config.n_heads, config.d_ff, config.dropout, batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, config.n_layers, nn.LayerNorm(config.d_model), False)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, sequences: Tensor) -> Tensor:
        length = sequences.shape[1]
        hidden = self.dropout(self.items(sequences) + self.positions.weight[:length])
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=sequences.device)
        return self.blocks(hidden, mask=mask, is_causal=True)


def run(config: Config) -> None:
    """Measure, print, write."""
    prepare(config.device)
    dataset, _ = config.data.load()
    loader = SequenceDataModule(
        dataset,
        batch_size=config.batch_size,
        max_history=config.data.max_history,
        seed=config.data.seed,
        all_prefixes=True,
    ).train_dataloader()
    drawn = zip(loader, range(config.n_batches), strict=False)
    batches = [move_data_to_device(batch, config.device) for batch, _ in drawn]
    wanted = [_wanted(batch) for batch in batches]
    amount, n_sequences = int(sum(mask.sum() for mask in wanted)), sum(len(batch.sequences) for batch in batches)
    cases = [
        *_ours(config, item_counts(dataset), batches, amount),
        *_plain(config, dataset.n_items, batches, amount),
    ]
    print(f"{amount} targets of {n_sequences} sequences a call, {torch.get_num_threads()} threads, {config.device}")
    rows = report(cases, measure(cases, config.repeats, config.device), unit="targets", device=config.device)
    write(config.out, "nextitem", config, rows)


def _wanted(batch: PrefixBatch) -> Tensor:
    """(B, T) whether the next item is a target."""
    targets = batch.sequences[:, 1:]
    return (targets > 0) & (torch.arange(1, batch.sequences.shape[1], device=targets.device) >= batch.first[:, None])


def _ours(config: Config, counts: Tensor, batches: list[PrefixBatch], amount: int) -> list[Case]:
    torch.manual_seed(config.data.seed)
    settings = NextItemConfig(sasrec=config.model, max_history=config.data.max_history)
    model = NextItem(to_dict(settings), counts).to(config.device)
    losses = [lambda batch=batch: model.training_losses(batch).mean() for batch in batches]
    return [
        Case(
            name=f"ours, {precision}",
            call=optimizer_steps(model, losses, precision, config.device),
            amount=amount,
            baseline=PADDED,
            precision=precision,
            padding=padding_share([batch.sequences[:, :-1] for batch in batches]),
        )
        for precision in ("fp32", "bf16")
    ]


def _plain(config: Config, n_items: int, batches: list[PrefixBatch], amount: int) -> list[Case]:
    torch.manual_seed(config.data.seed)
    width = config.data.max_history
    model = PlainSASRec(config.model, n_items, width).to(config.device)
    wide = [
        batch._replace(sequences=F.pad(batch.sequences, (0, width + 1 - batch.sequences.shape[1]))) for batch in batches
    ]
    cases = []
    for kind, given, precisions in (("padded", wide, ("fp32",)), ("bucketed", batches, ("fp32", "bf16"))):
        losses = [lambda batch=batch: _plain_loss(model, batch) for batch in given]
        cases += [
            Case(
                name=f"plain loop, {kind}, {precision}",
                call=optimizer_steps(model, losses, precision, config.device),
                amount=amount,
                baseline=PADDED,
                precision=precision,
                padding=padding_share([batch.sequences[:, :-1] for batch in given]),
            )
            for precision in precisions
        ]
    return cases


def _plain_loss(model: PlainSASRec, batch: PrefixBatch) -> Tensor:
    states = model(batch.sequences[:, :-1])[_wanted(batch)]
    return F.cross_entropy((states @ model.items.weight[1:].T).float(), batch.sequences[:, 1:][_wanted(batch)] - 1)
