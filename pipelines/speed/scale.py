"""Scaling of ours along one axis: length of history, beams, items of the catalogue, layers, batch.

`catalogue` and `beam` decode; `history`, `layers` and `batch` decode and train. Every history has its full length.
Each row is compared with the first of its kind: the ratio is rate / first rate.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from speed.synthetic import DataConfig, synthetic_bank
from speed.timing import Case, measure, prepare, report, write
from tigerlite.config import check, check_choice, to_dict
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig

AXES = {
    "history": (5, 10, 20, 50, 100),
    "beam": (10, 20, 50, 100, 200, 500, 1000),
    "catalogue": (10_000, 100_000, 1_000_000),
    "layers": (1, 2, 4, 8),
    "batch": (16, 32, 64, 128, 256),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark; the axis replaces one of them."""

    axis: str = "catalogue"
    """history, beam, catalogue, layers or batch."""
    values: tuple[int, ...] = ()
    """Values along the axis; empty takes the usual ones. Catalogues of 10 M items by flag, `--values=[10_000,10_000_000]`: they
    take 4.1 GB of memory, most of it while distinct codes are drawn."""
    model: T5Config = field(default_factory=lambda: T5Config(n_heads=4, d_ff=512))
    """Network (MTGRec's, arXiv 2504.04400)."""
    data: DataConfig = field(default_factory=DataConfig)
    batch: int = 32
    """Users of a call."""
    n_beams: int = 50
    """Beams."""
    precision: str = "fp32"
    """fp32 or bf16."""
    repeats: int = 5
    """Timed calls per row."""
    device: str = "cpu"
    """cpu or cuda."""
    out: Path | None = None
    """JSON file to write."""

    def __post_init__(self) -> None:
        check_choice("axis", self.axis, tuple(AXES))
        check_choice("precision", self.precision, ("fp32", "bf16"))
        for name in ("batch", "n_beams", "repeats"):
            value = self.__dict__[name]
            check(value >= 1, name, value, "an integer >= 1")
        check(all(value >= 1 for value in self.values), "values", list(self.values), "integers >= 1")

    def at(self, value: int) -> "Config":
        """The config with the axis at `value`."""
        if self.axis == "history":
            return replace(self, data=replace(self.data, max_history=value))
        if self.axis == "catalogue":
            return replace(self, data=replace(self.data, n_items=value))
        if self.axis == "layers":
            return replace(self, model=replace(self.model, n_encoder_layers=value, n_decoder_layers=value))
        return replace(self, n_beams=value) if self.axis == "beam" else replace(self, batch=value)


def run(config: Config) -> None:
    """Measure, print, write."""
    prepare(config.device)
    values = config.values or AXES[config.axis]
    kinds = {"decode": _decode}
    if config.axis not in ("catalogue", "beam"):
        kinds["train"] = _train
    cases = []
    for kind, build in kinds.items():
        for value in values:
            at = config.at(value)
            cases.append(
                Case(
                    name=f"{kind}, {config.axis} {value:,}",
                    call=build(at),
                    amount=at.batch,
                    baseline=f"{kind}, {config.axis} {values[0]:,}",
                    precision=config.precision,
                )
            )
    print(f"batch {config.batch}, {torch.get_num_threads()} threads, {config.device}")
    rows = report(cases, measure(cases, config.repeats, config.device), unit="users", device=config.device)
    write(config.out, f"scale_{config.axis}", config, rows)


def _model(config: Config) -> TIGER:
    torch.manual_seed(config.data.seed)
    settings = TIGERConfig(t5=config.model, max_history=config.data.max_history)
    model = TIGER(to_dict(settings), synthetic_bank(config.data.n_items, config.data)).to(config.device)
    model.n_beams = config.n_beams
    return model


def _items(config: Config, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(config.data.seed)
    return torch.randint(1, config.data.n_items + 1, shape, generator=generator).to(config.device)


def _decode(config: Config) -> Callable[[], object]:
    model = _model(config).eval()
    histories = _items(config, config.batch, config.data.max_history)

    def decode() -> object:
        with torch.autocast(config.device, torch.bfloat16, enabled=config.precision == "bf16"):
            return model.recommend(histories, min(10, config.n_beams))

    return decode


def _train(config: Config) -> Callable[[], None]:
    model = _model(config).train()
    items = _items(config, config.batch, config.data.max_history + 1)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def step() -> None:
        with torch.autocast(config.device, torch.bfloat16, enabled=config.precision == "bf16"):
            loss = model.token_losses(items[:, :-1], items[:, -1]).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
