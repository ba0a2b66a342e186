"""Evaluation: users per second of ranks and metrics on the device and in a Python loop, beside the beam search before it.

The lists are made up; the loop is what the published code does (`list.index` and the sums, one user at a time).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from speed.synthetic import DataConfig, histories_of_test_users
from speed.timing import Case, measure, prepare, report, write
from tigerlite.config import check, to_dict
from tigerlite.evaluation.ranking import CUTOFFS, ranks_in_list, summarise
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig

LOOP = "Python loop over users"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark."""

    model: T5Config = field(default_factory=lambda: T5Config(n_heads=4, d_ff=512))
    """Network of the beam search (MTGRec's, arXiv 2504.04400)."""
    data: DataConfig = field(default_factory=DataConfig)
    n_ranked: int = 30_431
    """Users that are ranked (Yelp's test users)."""
    n_searched: int = 64
    """Users of one call of beam search."""
    n_beams: int = 50
    """Beam width."""
    repeats: int = 5
    """Timed calls per row."""
    device: str = "cpu"
    """cpu or cuda."""
    out: Path | None = None
    """JSON file to write."""

    def __post_init__(self) -> None:
        for name in ("n_ranked", "n_searched", "n_beams", "repeats"):
            value = self.__dict__[name]
            check(value >= 1, name, value, "an integer >= 1")
        check(self.n_beams >= max(CUTOFFS), "n_beams", self.n_beams, f"an integer >= {max(CUTOFFS)}")


def run(config: Config) -> None:
    """Measure, print, write."""
    prepare(config.device)
    generator = torch.Generator().manual_seed(config.data.seed)
    shape = (config.n_ranked, max(CUTOFFS))
    items = torch.randint(1, config.data.n_items + 1, shape, generator=generator).to(config.device)
    column = torch.randint(2 * shape[1], (config.n_ranked, 1), generator=generator).to(config.device)
    hit = items.gather(1, column.clamp(max=shape[1] - 1))[:, 0]
    targets = torch.where(column[:, 0] < shape[1], hit, 0)  # half of the users miss
    ours, loop = _on_device(items, targets), _one_by_one(items, targets)
    search = _beam_search(config)
    cases = [
        Case(name="ours, on the device", call=ours, amount=config.n_ranked, baseline=LOOP),
        Case(name=LOOP, call=loop, amount=config.n_ranked, baseline=LOOP),
        Case(name="beam search before it", call=search, amount=config.n_searched, baseline=LOOP),
    ]
    print(f"{config.n_ranked} users, {torch.get_num_threads()} threads, {config.device}")
    rows = report(cases, measure(cases, config.repeats, config.device), unit="users", device=config.device)
    share = 1 / (1 + rows[0]["per_second"] / rows[2]["per_second"])
    print(f"share of an evaluation that is spent on ranks and metrics: {share:.3%}")
    difference = max(abs(value - ours()[name]) for name, value in loop().items())
    print(f"largest difference between the metrics: {difference:.1e}")
    write(config.out, "evaluate", config, rows, share_of_ranks=share, largest_difference=difference)


def _on_device(items: Tensor, targets: Tensor) -> Callable[[], dict[str, float]]:
    return lambda: summarise(ranks_in_list(items, targets).cpu().numpy())


def _one_by_one(items: Tensor, targets: Tensor) -> Callable[[], dict[str, float]]:
    def loop() -> dict[str, float]:
        sums = {f"{name}@{k}": 0.0 for name in ("recall", "ndcg") for k in CUTOFFS}
        for row, target in zip(items.tolist(), targets.tolist(), strict=True):
            for k in CUTOFFS:
                if target in row[:k]:
                    sums[f"recall@{k}"] += 1
                    sums[f"ndcg@{k}"] += 1 / math.log2(row.index(target) + 2)
        return {name: value / len(items) for name, value in sums.items()}

    return loop


def _beam_search(config: Config) -> Callable[[], Tensor]:
    dataset, bank = config.data.load()
    histories = histories_of_test_users(dataset, config.n_searched, config.data)
    torch.manual_seed(config.data.seed)
    settings = TIGERConfig(t5=config.model, max_history=config.data.max_history)
    model = TIGER(to_dict(settings), bank).to(config.device).eval()
    model.n_beams = config.n_beams
    return lambda: model.recommend(histories, max(CUTOFFS)).items
