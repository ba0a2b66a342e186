"""The end of stage `tokenize`: how well the codes were used is written down."""

import json
import logging
from dataclasses import asdict
from pathlib import Path

from tigerlite.callbacks.codebook_health import LOW_SHARE, low_perplexity
from tigerlite.evaluation.codes import LevelHealth, codes_health, collision_rate
from tigerlite.stages.resolve import Coded
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.tokenizers import CLOSED_FORM, TRAINED
from tigerlite.tokenizers.collisions import Resolved

HEALTH = "codebook_health.json"

log = logging.getLogger(__name__)


def report(config: TokenizeConfig, coded: Coded, resolved: Resolved, out: Path) -> None:
    """Write the health of the codes before collisions were resolved, and warn where a level is hardly used."""
    levels = codes_health(coded.codes, coded.codebook_sizes)
    health = {
        "n_items": len(coded.codes),
        "n_distinct": resolved.n_distinct,
        "n_duplicates": resolved.n_duplicates,
        "largest_group": resolved.largest_group,
        "collision_rate": collision_rate(coded.codes),
        "collisions": config.collisions,
        "levels": [asdict(level) for level in levels],
    }
    (out / HEALTH).write_text(json.dumps(health, indent=1) + "\n")
    log.info(
        "identifiers: %d items, %d distinct, %d duplicates %s",
        *(health[name] for name in ("n_items", "n_distinct", "n_duplicates")),
        "left as they are" if config.collisions == "none" else f"resolved by {config.collisions}",
    )
    low = [number for number, level in enumerate(levels, start=1) if level.perplexity < LOW_SHARE * level.size]
    if config.method in TRAINED:
        for number in low:
            log.warning(low_perplexity(number, levels[number - 1], config.rqvae))
    elif config.method in CLOSED_FORM and low:
        log.warning(_hardly_used(config.method, low, levels, coded))


def _hardly_used(method: str, low: list[int], levels: list[LevelHealth], coded: Coded) -> str:
    """One line about all levels (counted from 1) that a method in closed form hardly uses."""
    shares = ", ".join(f"{levels[number - 1].perplexity:.1f} of {levels[number - 1].size}" for number in low)
    return (
        f"level {', '.join(map(str, low))} spreads the items over {shares} codes (perplexity; {len(coded.codes)} items): "
        f"items may be alike or few; give them distinct texts or embeddings, set tokenize.{method}.whiten, or fewer codes "
        f"in tokenize.{method}.codebook_sizes"
    )
