"""Stage `calibrate`: the temperature of a trained generative recommender, fitted on validation users (`temperature.py`)."""

import copy
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tigerlite.artifacts import write_json
from tigerlite.config import InputError, check
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import row_batches
from tigerlite.recommenders.base import Recommender
from tigerlite.recommenders.generative import GenerativeRecommender
from tigerlite.recommenders.saved import load_recommender
from tigerlite.recommenders.temperature import apply_temperature, fit_temperature
from tigerlite.stages.trainer_config import Context

VERSION = 1
TRAINS = False

FOUND = "temperature.json"
_BATCH = 256

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CalibrateConfig:
    """One parameter, fitted on validation after the last stage that trains."""

    enabled: bool = True
    """Whether the model's logits are divided by a temperature that makes validation targets most likely; false = 1, as in the
    papers. Models that score whole items (method=nextitem, itemknn, ...) stay as they are, their ranks would not change; so do
    the members of an ensemble."""
    sharpen: bool = False
    """Whether the temperature may be below 1, as likelihood has it for models that are not trained to their end; on Yelp that
    made their lists worse."""
    n_users: int = 20_000
    """Validation users that it is fitted on, spread evenly; all where there are fewer."""

    def __post_init__(self) -> None:
        check(self.n_users >= 1, "n_users", self.n_users, "an integer >= 1")


def run(
    config: CalibrateConfig,
    dataset: RecDataset,
    model: GenerativeRecommender,
    *,
    out: Path,
    context: Context | None = None,
) -> Recommender:
    """Write the model with its temperature, and `temperature.json`, into `out`.

    Raises:
        InputError: if the data have no validation users.
    """
    context = context or Context()
    if not len(dataset.validation):
        raise InputError("a temperature is fitted on validation users and there are none; set calibrate.enabled=false")
    n_rows = len(dataset.validation)
    rows = dataset.validation[np.linspace(0, n_rows - 1, min(config.n_users, n_rows)).astype(int)]
    rows = rows[np.argsort(rows[:, 1] - dataset.offsets[rows[:, 0]], kind="stable")]  # similar lengths together
    warm = copy.deepcopy(model).to(context.trainer.device()).eval()
    batches = row_batches(dataset, rows, batch_size=_BATCH, max_history=model.config.max_history)
    found = fit_temperature(warm, batches, sharpen=config.sharpen)
    apply_temperature(warm, found.temperature)
    warm.cpu().save(out)
    write_json(out / FOUND, asdict(found))
    log.info(
        "temperature %.3f: cross-entropy of %d validation items %.4f -> %.4f",
        found.temperature,
        found.n_targets,
        found.loss_before,
        found.loss_after,
    )
    if context.tracker:
        context.tracker.log("calibrate", {name: float(value) for name, value in asdict(found).items()})
    return load(out)


def load(folder: Path) -> Recommender:
    """The model that `run` wrote into `folder`."""
    return load_recommender(folder)
