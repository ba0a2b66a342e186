"""tigerlite: generative recommendation with semantic IDs.

    import tigerlite

    run = tigerlite.fit(interactions, items, out="runs/mine")   # polars or pandas DataFrames
    run.recommend([["item-17", "item-4"]], k=10)[0].items

Names are loaded on first use, so that importing the package reads no file and loads no heavy package.
"""

from importlib import import_module
from typing import Any

_PLACES = {
    "InputError": "tigerlite.config",
    "PipelineConfig": "tigerlite.stages.pipeline",
    "Predictor": "tigerlite.serving.predictor",
    "RecDataset": "tigerlite.data.dataset",
    "TIGER": "tigerlite.recommenders.tiger",
    "TokenizerBank": "tigerlite.tokenizers.bank",
    "fit": "tigerlite.stages.fit",
    "train": "tigerlite.stages.pipeline",
}

__all__ = sorted(_PLACES)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'tigerlite' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
