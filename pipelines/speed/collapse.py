"""Collapse: does the default RQ-VAE use all levels of its codes? Lowest perplexity of a level / its codes, over seeds.

    python pipelines/speed.py collapse --configs="[configs/demo.yaml, configs/datasets/office.yaml]" \\
        --folders="[null, DATA/office]"

Each data set is prepared and encoded once (`--results`); the tokenizer is the default whatever the data set's config says. A
level that spreads the items over less than half of its codes is called collapsed. Exit code 1 if there is one.
"""

import json
import statistics
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from speed.timing import write
from tigerlite.command_line import parse
from tigerlite.config import ConfigError, check
from tigerlite.stages.codebook_health import HEALTH
from tigerlite.stages.pipeline import train
from tigerlite.stages.pipeline_config import PipelineConfig
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.tokenizers.rqvae_config import RQVAEConfig


@dataclass(frozen=True, kw_only=True)
class Config:
    """What is tokenized."""

    configs: tuple[str, ...] = ("configs/demo.yaml",)
    """Config file of each data set."""
    folders: tuple[Path | None, ...] = ()
    """`prepare.folder` of each data set; null = what its config says, empty = null for all."""
    rqvae: RQVAEConfig = field(default_factory=RQVAEConfig)
    """Tokenizer; its seed is replaced."""
    n_seeds: int = 5
    """Seeds 0, 1, ..."""
    least: float = 0.5
    """Lowest perplexity / codes of a level that has not collapsed."""
    results: Path = Path("runs/collapse")
    """Folder of the stage folders."""
    out: Path | None = None
    """JSON file to write."""

    def __post_init__(self) -> None:
        check(len(self.configs) >= 1, "configs", list(self.configs), "at least one file")
        check(self.n_seeds >= 1, "n_seeds", self.n_seeds, "an integer >= 1")
        check(0 < self.least <= 1, "least", self.least, "a number in (0, 1]")
        if self.folders and len(self.folders) != len(self.configs):
            raise ConfigError(
                f"folders has {len(self.folders)} entries but configs {len(self.configs)}; give one each, or null"
            )


def run(config: Config) -> None:
    """Train, print, write."""
    rows = []
    print(f"{'':24}  {'lowest perplexity / codes, by seed':36}  {'colliding':>9}")
    for file, folder in zip(config.configs, config.folders or [None] * len(config.configs), strict=True):
        found = [_health(config, file, folder, seed) for seed in range(config.n_seeds)]
        shares = [min(level["perplexity"] / level["size"] for level in health["levels"]) for health in found]
        colliding = statistics.mean(health["collision_rate"] for health in found)
        verdict = "ok" if min(shares) >= config.least else f"COLLAPSED: below {config.least}"
        name = Path(file).stem
        print(f"{name:24}  {' '.join(f'{share:.3f}' for share in shares):36}  {colliding:9.2%}  {verdict}")
        rows.append({"name": name, "lowest_perplexity": shares, "collision_rate": colliding, "verdict": verdict})
    write(config.out, "collapse", config, rows)
    if any(row["verdict"] != "ok" for row in rows):
        sys.exit(1)


def _health(config: Config, file: str, folder: Path | None, seed: int) -> dict:
    """Of the identifiers of one data set with one seed."""
    flags = [f"--config={file}", f"--out={config.results / Path(file).stem}", "--until=tokenize"]
    flags += [] if folder is None else [f"--prepare.folder={folder}"]
    given = parse(PipelineConfig, flags, program="speed.py collapse")
    # A digit more has a limit on the size of a group; free codes have none, and health is measured before either.
    tokenize = TokenizeConfig(rqvae=replace(config.rqvae, seed=seed), collisions="nearest_free")
    done = train(replace(given, tokenize=tokenize, trainer=replace(given.trainer, progress=False)))
    return json.loads((done.folders["tokenize"] / HEALTH).read_text())
