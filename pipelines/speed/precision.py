"""Quality of training in bf16: validation NDCG@10 of TIGER trained in fp32 and in bf16-mixed, over seeds.

The best validation of each run counts, as in the pipeline. On synthetic walks (`--data.*`) unless a prepared data set and
its identifiers are given.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from speed.learnable import LearnableConfig
from speed.seeds import compare, read_metric, report
from speed.timing import prepare, write
from tigerlite.config import check
from tigerlite.optim import OptimizerConfig
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGERConfig
from tigerlite.stages import recommend
from tigerlite.stages.recommend_config import RecommendConfig
from tigerlite.stages.trainer_config import Context

STAGE = "finetune"


def small_tiger() -> TIGERConfig:
    """One layer on each side, ten epochs: half a minute on synthetic walks."""
    t5 = T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=64, n_heads=4, d_kv=16, d_ff=256)
    return TIGERConfig(t5=t5, epochs=10, batch_size=128, optimizer=OptimizerConfig(lr=3e-3))


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark."""

    tiger: TIGERConfig = field(default_factory=small_tiger)
    """Model and training; its seed is replaced."""
    data: LearnableConfig = field(default_factory=LearnableConfig)
    n_seeds: int = 5
    """Runs in each precision."""
    device: str = "cpu"
    """cpu or cuda."""
    out: Path | None = None
    """JSON file to write."""

    def __post_init__(self) -> None:
        check(self.n_seeds >= 1, "n_seeds", self.n_seeds, "an integer >= 1")


def run(config: Config) -> None:
    """Train, print, write."""
    prepare(config.device)
    dataset, bank = config.data.load_dataset(), config.data.load_bank()

    def train(seed: int, context: Context, folder: Path) -> dict[str, float]:
        settings = RecommendConfig(tiger=replace(config.tiger, seed=seed))
        recommend.run(settings, dataset, bank, out=folder, context=replace(context, stage=STAGE))
        return {
            "ndcg@10": read_metric(folder, f"{STAGE}/valid/ndcg@10", max),
            "loss": read_metric(folder, f"{STAGE}/valid/loss", min),
        }

    print(f"validation of {len(dataset.validation)} users, {config.n_seeds} seeds, {config.device}")
    rows = compare(train, config.n_seeds, config.device)
    report(rows)
    write(config.out, "precision", config, rows)
