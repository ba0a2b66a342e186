"""Training: targets per second of ours, of transformers as usually trained, and of transformers with our batches.

One call takes a few optimizer steps: forward, backward, gradient clipping, fused AdamW. Their batches are a sample of one
epoch's, stratified by length, with the epoch's mean size and padding. `fixed padding` is what the published
code does: histories padded to max_history items (82 tokens at 20 items), user token and EOS, labels with EOS, softmax
over the whole vocabulary, fp32. `bucketed` gives transformers our batches, tokens and labels.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from speed.synthetic import DataConfig
from speed.timing import Case, measure, prepare, report, write
from tigerlite.config import check, to_dict
from tigerlite.data.datamodule import SequenceDataModule
from tigerlite.data.dataset import RecDataset
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.tokenizers.bank import TokenizerBank

FIXED = "transformers, fixed padding, fp32"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark."""

    model: T5Config = field(default_factory=lambda: T5Config(n_heads=4, d_ff=512))
    """Network of all sides (MTGRec's, arXiv 2504.04400)."""
    data: DataConfig = field(default_factory=DataConfig)
    batch_size: int = 256
    """Training targets per optimizer step."""
    n_batches: int = 4
    """Optimizer steps per timed call; `fixed padding`, whose steps are all alike, takes one."""
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


def run(config: Config) -> None:
    """Measure, print, write."""
    prepare(config.device)
    dataset, bank = config.data.load()
    cases = [
        *_ours(config, dataset, bank, "level", "bidirectional"),
        *_ours(config, dataset, bank, "vocabulary", "bidirectional"),
        *_ours(config, dataset, bank, "level", "causal"),
        *_bucketed(config, dataset, bank),
        _fixed(config, dataset, bank),
    ]
    waste = SequenceDataModule(
        dataset, batch_size=config.batch_size, max_history=config.data.max_history
    ).padding_waste()
    print(f"padding of a whole bucketed epoch: {waste:.1%}")
    print(f"batch {config.batch_size}, {torch.get_num_threads()} threads, {config.device}")
    rows = report(cases, measure(cases, config.repeats, config.device), unit="targets", device=config.device)
    rates = {row["name"]: row["per_second"] for row in rows}
    same_precision = {}
    for precision in ("fp32", "bf16"):
        theirs = rates[f"transformers, bucketed, {precision}"]
        for kind in ("level head", "vocabulary head"):
            same_precision[f"ours, {kind}, {precision}"] = rates[f"ours, {kind}, {precision}"] / theirs
    print("against transformers, bucketed, of the same precision:")
    for name, ratio in same_precision.items():
        print(f"  {name}: {ratio:.2f}x")
    write(config.out, "train", config, rows, against_bucketed=same_precision, epoch_padding=waste)


def training_steps(config: Config, attention: str, precision: str) -> Callable[[], None]:
    """Ours alone, with the level head: what one call of its row does."""
    cases = _ours(config, *config.data.load(), "level", attention)
    return next(case.call for case in cases if case.precision == precision)


def _model(config: Config, bank: TokenizerBank, **changes: str | bool) -> TIGER:
    torch.manual_seed(config.data.seed)
    settings = TIGERConfig(t5=config.model, max_history=config.data.max_history)
    return TIGER(to_dict(settings) | changes, bank).to(config.device)


def _batches(config: Config, dataset: RecDataset, *, all_prefixes: bool) -> list[tuple[Tensor, Tensor]]:
    """Histories and targets, or sequences and first positions; on the device."""
    batches = SequenceDataModule(
        dataset,
        batch_size=config.batch_size,
        max_history=config.data.max_history,
        seed=config.data.seed,
        all_prefixes=all_prefixes,
    ).train_dataloader()
    chosen = _representative([batch[:2] for batch in batches], config.n_batches)
    return [(first.to(config.device), second.to(config.device)) for first, second in chosen]


def _representative(batches: list[tuple[Tensor, Tensor]], n: int) -> list[tuple[Tensor, Tensor]]:
    """One batch from each of n strata by length; of 500 draws the one whose size and padding are nearest the epoch's."""
    ordered = sorted(batches, key=lambda batch: batch[0].shape[1])
    places = np.array([items.numel() for items, _ in ordered])
    filled = np.array([int((items > 0).sum()) for items, _ in ordered])
    n = min(n, len(ordered))
    edges = np.linspace(0, len(ordered), n + 1).astype(int)
    draws = np.random.default_rng(0).integers(edges[:-1], edges[1:], (500, n))
    size = np.abs(places[draws].mean(1) / places.mean() - 1)
    padding = np.abs(filled[draws].sum(1) / places[draws].sum(1) - filled.sum() / places.sum())
    return [ordered[index] for index in draws[np.argmin(size + padding)]]


def _ours(config: Config, dataset: RecDataset, bank: TokenizerBank, head: str, attention: str) -> list[Case]:
    causal = attention == "causal"
    model = _model(config, bank, head=head, encoder_attention=attention)
    batches = _batches(config, dataset, all_prefixes=causal)
    if causal:
        losses = [lambda batch=batch: model.prefix_losses(*batch).mean() for batch in batches]
        places = [torch.arange(items.shape[1], device=items.device) for items, _ in batches]
        wanted = [
            (items > 0) & (place >= first[:, None]) for (items, first), place in zip(batches, places, strict=True)
        ]
        amount = int(sum(mask.sum() for mask in wanted))
    else:
        losses = [lambda batch=batch: model.token_losses(*batch).mean() for batch in batches]
        amount = sum(len(targets) for _, targets in batches)
    padding = padding_share([items for items, _ in batches])
    kind = "causal, all prefixes" if causal else f"{head} head"
    return [
        Case(
            name=f"ours, {kind}, {precision}",
            call=optimizer_steps(model.t5, losses, precision, config.device),
            amount=amount,
            baseline=FIXED,
            precision=precision,
            padding=padding,
        )
        for precision in ("fp32", "bf16")
    ]


def _bucketed(config: Config, dataset: RecDataset, bank: TokenizerBank) -> list[Case]:
    batches = _batches(config, dataset, all_prefixes=False)
    ours = _model(config, bank)
    theirs = ours.t5.to_huggingface().to(config.device)
    theirs.set_attn_implementation("sdpa")
    losses = [_their_loss(theirs, ours, *batch) for batch in batches]
    return [
        Case(
            name=f"transformers, bucketed, {precision}",
            call=optimizer_steps(theirs, losses, precision, config.device),
            amount=sum(len(targets) for _, targets in batches),
            baseline=FIXED,
            precision=precision,
            padding=padding_share([histories for histories, _ in batches]),
        )
        for precision in ("fp32", "bf16")
    ]


def _fixed(config: Config, dataset: RecDataset, bank: TokenizerBank) -> Case:
    batches = _batches(config, dataset, all_prefixes=False)
    # Rows of all the batches, as a batch of a shuffled epoch would hold them; padding makes every such batch alike.
    width = config.data.max_history
    rows = torch.cat([F.pad(histories, (0, width - histories.shape[1])) for histories, _ in batches])
    targets = torch.cat([targets for _, targets in batches])
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[: config.batch_size]
    chosen = chosen.to(rows.device)
    ours = _model(config, bank, head="vocabulary", eos=True)
    theirs = ours.t5.to_huggingface().to(config.device)
    loss = _their_loss(theirs, ours, rows[chosen], targets[chosen])
    return Case(
        name=FIXED,
        call=optimizer_steps(theirs, [loss], "fp32", config.device),
        amount=len(chosen),
        baseline=FIXED,
        padding=padding_share([rows[chosen]]),
    )


def _their_loss(theirs: torch.nn.Module, ours: TIGER, histories: Tensor, targets: Tensor) -> Callable[[], Tensor]:
    """Tokens are looked up once, here: only the network is timed."""
    tokens, mask = ours.encoder_input(histories)
    labels = ours.item_tokens[targets]
    if ours.config.eos:
        labels = F.pad(labels, (0, 1), value=ours.vocab.eos)
    return lambda: theirs(input_ids=tokens, attention_mask=mask.long(), labels=labels).loss


def optimizer_steps(
    model: torch.nn.Module, losses: list[Callable[[], Tensor]], precision: str, device: str
) -> Callable[[], None]:
    """A call that takes one optimizer step per loss, leaving the weights as they are."""
    model.train()
    # lr 0: the rows that share a model find the same weights
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, fused=True)

    def steps() -> None:
        for loss in losses:
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
                value = loss()
            value.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

    return steps


def padding_share(items: list[Tensor]) -> float:
    """Share of places of the batches' item ids (B, T) that are 0."""
    return 1 - sum(int((batch > 0).sum()) for batch in items) / sum(batch.numel() for batch in items)
