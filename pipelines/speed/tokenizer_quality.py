"""Quality of a tokenizer trained in bf16: reconstruction, perplexity per level and collisions beside fp32, over seeds.

On synthetic embeddings (`--data.*`) unless a prepared data set and its embeddings are given. `--downstream=true` also trains
a small TIGER in fp32 on each run's identifiers and compares its validation NDCG@10.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from speed.learnable import LearnableConfig
from speed.precision import STAGE, small_tiger
from speed.seeds import compare, read_metric, report
from speed.timing import prepare, write
from tigerlite.config import check
from tigerlite.recommenders.tiger import TIGERConfig
from tigerlite.stages import recommend, tokenize
from tigerlite.stages.codebook_health import HEALTH
from tigerlite.stages.recommend_config import RecommendConfig
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.stages.trainer_config import Context, TrainerConfig
from tigerlite.tokenizers.rqvae_config import RQVAEConfig


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark."""

    rqvae: RQVAEConfig = field(
        default_factory=lambda: RQVAEConfig(
            hidden_sizes=(64,), latent=16, codebook_sizes=(16, 16, 16), epochs=100, batch_size=64
        )
    )
    """Tokenizer; its seed is replaced."""
    data: LearnableConfig = field(default_factory=LearnableConfig)
    n_seeds: int = 5
    """Runs in each precision."""
    downstream: bool = False
    """Whether to train a recommender on the identifiers of every run."""
    tiger: TIGERConfig = field(default_factory=small_tiger)
    """That recommender, always in fp32; its seed is replaced."""
    device: str = "cpu"
    """cpu or cuda."""
    out: Path | None = None
    """JSON file to write."""

    def __post_init__(self) -> None:
        check(self.n_seeds >= 1, "n_seeds", self.n_seeds, "an integer >= 1")
        check(self.rqvae.holdout > 0, "rqvae.holdout", self.rqvae.holdout, "a number > 0, to measure reconstruction")


def run(config: Config) -> None:
    """Train, print, write."""
    prepare(config.device)
    dataset, embeddings = config.data.load_dataset(), config.data.load_embeddings()

    def train(seed: int, context: Context, folder: Path) -> dict[str, float]:
        settings = TokenizeConfig(rqvae=replace(config.rqvae, seed=seed), collisions="nearest_free")
        bank = tokenize.run(settings, embeddings, dataset, out=folder, context=replace(context, stage="tokenize"))
        health = json.loads((folder / HEALTH).read_text())
        found = {"reconstruction": read_metric(folder, "tokenize/validation/reconstruction", min)}
        for number, level in enumerate(health["levels"], start=1):
            found[f"perplexity, level {number}"] = level["perplexity"]
        found["collision rate"] = health["collision_rate"]
        if config.downstream:
            below = folder / STAGE
            below.mkdir()
            fp32 = TrainerConfig(accelerator=context.trainer.accelerator, progress=False)
            recommender = RecommendConfig(tiger=replace(config.tiger, seed=seed))
            recommend.run(recommender, dataset, bank, out=below, context=Context(trainer=fp32, stage=STAGE))
            found["downstream ndcg@10"] = read_metric(below, f"{STAGE}/valid/ndcg@10", max)
        return found

    print(f"{embeddings.n_items} items, {config.n_seeds} seeds, {config.device}")
    rows = compare(train, config.n_seeds, config.device)
    report(rows)
    write(config.out, "tokenizer_quality", config, rows)
