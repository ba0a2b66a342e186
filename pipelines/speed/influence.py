"""Influence: what the directional estimate costs against the released code's, and whether it ranks members alike.

The bank has a planted gradient of quality: in each member the codes of a larger share of the items are exchanged at
random, so that a prefix says less about an item. Users stay in one of many groups of similar items, which share a first
code. After some updates on all members drawn alike both estimators score the members; p is shown for the validation groups
`others` and `all`.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from lightning.fabric.utilities import move_data_to_device

from speed.timing import prepare, write
from tigerlite.callbacks.group_sampling import GroupSamplingConfig
from tigerlite.callbacks.group_scores import probabilities, standardised, validation_weights
from tigerlite.callbacks.influence import AdamState, Groups, ShardLoss, influence
from tigerlite.config import check, to_dict
from tigerlite.data.datamodule import SequenceDataModule
from tigerlite.data.dataset import RecDataset
from tigerlite.data.group_batches import GroupBatches
from tigerlite.optim import OptimizerConfig, build_optimizer
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark."""

    model: T5Config = field(
        default_factory=lambda: T5Config(n_encoder_layers=2, n_decoder_layers=2, n_heads=4, d_model=64, d_ff=256)
    )
    shuffled: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
    """Share of the items whose codes are exchanged, one member each."""
    n_users: int = 4_000
    """Users with 10 interactions each."""
    n_groups: int = 32
    """Groups of 32 similar items."""
    updates: int = 600
    """Optimizer steps before the members are scored."""
    batch_size: int = 256
    """Targets per step."""
    share: float = GroupSamplingConfig.train_share
    """Of the users, for the directional estimate."""
    tau: float = 1.0
    """Temperature over standardised scores."""
    seed: int = 0
    """Of data, codes and training."""
    device: str = "cpu"
    """cpu or cuda."""
    out: Path | None = None
    """JSON file to write."""

    def __post_init__(self) -> None:
        check(len(self.shuffled) >= 2, "shuffled", list(self.shuffled), "at least two shares")
        check(all(0 <= share <= 1 for share in self.shuffled), "shuffled", list(self.shuffled), "numbers in [0, 1]")
        check(0 < self.share <= 1, "share", self.share, "a number in (0, 1]")
        for name in ("n_users", "n_groups", "updates", "batch_size"):
            check(self.__dict__[name] >= 1, name, self.__dict__[name], "an integer >= 1")


def run(config: Config) -> None:
    """Train, score, print, write."""
    prepare(config.device)
    dataset, bank = planted(config)
    model, adam = trained(config, dataset, bank)
    rows = []
    for kind in ("others", "all"):
        for estimator, share in (("reference", 1.0), ("directional", config.share)):
            started = time.perf_counter()
            groups = _groups(config, dataset, model, kind, share)
            found = influence(estimator, groups, adam)
            seconds = time.perf_counter() - started
            shares = probabilities(standardised(found.scores), config.tau).tolist()
            rows.append(
                {"name": estimator, "groups": kind, "seconds": seconds, "scores": found.scores.tolist(), "p": shares}
            )
            shown = "  ".join(f"{share:.3f}" for share in shares)
            print(f"{kind:7} {estimator:12} {seconds:8.2f} s   p {shown}")
    result = {}
    for reference, directional in (rows[:2], rows[2:]):
        kind = reference["groups"]
        result[f"cost_ratio_{kind}"] = reference["seconds"] / directional["seconds"]
        result[f"spearman_{kind}"] = spearman(reference["scores"], directional["scores"])
        print(
            f"{kind}: directional costs 1/{result[f'cost_ratio_{kind}']:.1f} of reference, Spearman correlation "
            f"{result[f'spearman_{kind}']:.2f}"
        )
    write(config.out, "influence", config, rows, **result)


def planted(config: Config) -> tuple[RecDataset, TokenizerBank]:
    """Users who stay in one group of items, and members in which ever more items have another item's codes."""
    rng = np.random.default_rng(config.seed)
    n_items, length = 32 * config.n_groups, 10
    group = rng.integers(config.n_groups, size=config.n_users)
    start = rng.integers(32, size=config.n_users)
    steps = np.cumsum(rng.integers(1, 4, size=(config.n_users, length)), axis=1)
    items = group[:, None] * 32 + (start[:, None] + steps) % 32 + 1
    offsets, users = np.arange(config.n_users + 1) * length, np.arange(config.n_users)
    dataset = RecDataset(
        items=items.flatten().astype(np.int32),
        offsets=offsets,
        train_ends=offsets[1:] - 2,
        validation=np.stack([users, offsets[1:] - 2], axis=1),
        test=np.stack([users, offsets[1:] - 1], axis=1),
        user_ids=[""] * config.n_users,
        item_ids=[""] * n_items,
        titles=[""] * n_items,
    )
    places = torch.arange(n_items)
    codes = torch.stack([places // 32, places % 32 // 8, places % 8], dim=1)
    members = []
    for share in config.shuffled:
        chosen = torch.from_numpy(rng.permutation(n_items)[: round(share * n_items)])
        member = codes.clone()
        member[chosen] = codes[chosen[torch.from_numpy(rng.permutation(len(chosen)))]]
        members.append(torch.cat([torch.zeros(1, 3, dtype=torch.int64), member]))
    return dataset, TokenizerBank(torch.stack(members), SemanticVocab((config.n_groups, 4, 8)))


def trained(config: Config, dataset: RecDataset, bank: TokenizerBank) -> tuple[TIGER, AdamState]:
    """A model after some updates on all members, and its optimizer's moments."""
    torch.manual_seed(config.seed)
    optimizer_config = OptimizerConfig(lr=2e-3, warmup_epochs=0.0)
    model = TIGER(to_dict(TIGERConfig(t5=config.model, optimizer=optimizer_config)), bank).to(config.device)
    optimizer = build_optimizer(model, optimizer_config)
    data = SequenceDataModule(dataset, batch_size=config.batch_size, seed=config.seed)
    step, epoch = 0, 0
    while step < config.updates:
        data.set_epoch(epoch)
        for batch in data.train_dataloader():
            model.set_draw("sample", seed=config.seed, epoch=epoch, step=step, part=0, n_parts=1)
            loss = model.training_losses(move_data_to_device(batch, config.device)).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            if step == config.updates:
                break
        epoch += 1
    print(f"training loss after {step} updates: {float(loss.detach()):.3f}")
    return model.eval(), AdamState.of(optimizer)


def spearman(first: list[float], second: list[float]) -> float:
    """Rank correlation; ties do not occur in real scores."""
    ranks = torch.stack([torch.tensor(values).argsort().argsort().double() for values in (first, second)])
    return float(torch.corrcoef(ranks)[0, 1])


def _groups(config: Config, dataset: RecDataset, model: TIGER, kind: str, share: float) -> Groups:
    batches = GroupBatches(
        dataset,
        batch_size=config.batch_size,
        max_history=20,
        all_prefixes=False,
        train_share=share,
        validation_share=share,
        n_shards=1 if share == 1 else 10,
        seed=config.seed,
    )

    def losses(source: Callable[[], Iterator]) -> Callable[[int], Iterator[ShardLoss]]:
        def of_member(member: int) -> Iterator[ShardLoss]:
            for shard, batch in source():
                found = model.member_losses(move_data_to_device(batch, model.device), member)
                yield ShardLoss(shard, found.mean(dim=1).double().sum(), len(found))

        return of_member

    weights = validation_weights(kind, len(config.shuffled), 1)
    return Groups(losses(batches.train), losses(batches.validation), weights, batches.n_shards)
