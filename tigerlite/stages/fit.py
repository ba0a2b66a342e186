"""The pipeline in one call from DataFrames; the short way into the package for a notebook or a service."""

from pathlib import Path
from typing import Any

from tigerlite.config import from_dict
from tigerlite.serving.predictor import Predictor
from tigerlite.stages.pipeline import train
from tigerlite.stages.pipeline_config import PipelineConfig


def fit(interactions: Any, items: Any = None, *, out: str | Path, settings: dict[str, Any] | None = None) -> Predictor:
    """Train on frames of interactions and items and return what answers `recommend`.

    Args:
        interactions: polars or pandas DataFrame; column names in `settings["prepare"]["tabular"]` (user, item, time).
        items: polars or pandas DataFrame with an item id column and text columns.
        out: folder of the run; a second call with the same data and settings loads what is finished.
        settings: nested values of `PipelineConfig`, as in a YAML file; e.g. `{"finetune": {"tiger": {"epochs": 5}}}`.

    Raises:
        InputError: if a column is missing or a value is out of range.
    """
    from tigerlite.data.readers.tabular import tables_from_frames

    config = from_dict(PipelineConfig, {**(settings or {}), "out": Path(out)})
    train(config, tables_from_frames(interactions, items, config.prepare.tabular))
    return Predictor.load(out)
