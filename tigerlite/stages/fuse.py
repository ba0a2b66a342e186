"""Stage `fuse`: text embeddings with a teacher's item embeddings beside them, so that identifiers also tell who consumes what.

Text says what an item is; the embeddings of a recommender trained on the same training split say which items follow
each other. Each part is centred and scaled to a mean squared row norm of 1, then weighted and concatenated: the
tokenizer's squared error then counts them in the ratio of the squared weights.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tigerlite.config import InputError, check
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import item_counts
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.recommenders.teacher import Teacher
from tigerlite.stages.sources import Source, source_of
from tigerlite.stages.trainer_config import Context

VERSION = 1
TRAINS = False

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FuseConfig:
    """How a teacher's item embeddings join the text embeddings; used where there is a teacher."""

    text: float = 1.0
    """Weight of the text embeddings; 0 leaves them out."""
    collaborative: float = 1.0
    """Weight of the teacher's embeddings."""
    file: Path | None = None
    """`item_embeddings.safetensors` of a teacher that exists already; null uses the one that teacher.enabled trains."""

    def __post_init__(self) -> None:
        check(self.text >= 0, "text", self.text, "a number >= 0")
        check(self.collaborative > 0, "collaborative", self.collaborative, "a number > 0")

    @property
    def unused(self) -> tuple[str, ...]:
        """Where the teacher's file lies; its content is an input of the stage."""
        return ("file",)


def source(config: FuseConfig) -> Source | None:
    """The teacher's file, where the config names one.

    Raises:
        InputError: if it does not exist.
    """
    if config.file is None:
        return None
    if not config.file.is_file():
        raise InputError(f"teacher {config.file} does not exist; set fuse.file to an item_embeddings.safetensors")
    return source_of([config.file], config.file.parent)


def run(
    config: FuseConfig,
    embeddings: ItemEmbeddings | None,
    dataset: RecDataset,
    teacher: Teacher,
    *,
    out: Path,
    context: Context | None = None,
) -> ItemEmbeddings:
    """Write the joint embeddings (N, D + C) into `out`.

    Args:
        config: the weights.
        embeddings: of the texts of all items; None is enough where `config.text` is 0.
        dataset: names the items and says which occur in training.
        teacher: embeddings of the same items.
        out: an existing folder.
        context: not used.

    Raises:
        InputError: if the teacher is of another catalogue, or embeddings are needed and absent.
    """
    if teacher.embeddings.shape[0] != dataset.n_items:
        raise InputError(f"the teacher has {len(teacher.embeddings)} items but the data set {dataset.n_items}")
    if config.text and embeddings is None:
        raise InputError(
            f"fuse.text={config.text:g} needs text embeddings; run the encode stage first, or set fuse.text=0"
        )
    trained = item_counts(dataset)[1:] > 0
    parts = [_scaled(teacher.embeddings.numpy(), trained) * config.collaborative]
    if config.text:
        parts.insert(0, _scaled(embeddings.matrix, np.ones(embeddings.n_items, dtype=bool)) * config.text)
    fused = ItemEmbeddings(np.concatenate(parts, axis=1), dataset.n_items)
    fused.save(out)
    log.info("fused embeddings: %d items, %d dimensions", fused.n_items, fused.dimensions)
    return load(out)


def load(folder: Path) -> ItemEmbeddings:
    """The embeddings that `run` wrote into `folder`."""
    return ItemEmbeddings.load(folder)


def _scaled(matrix: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Centred and scaled over the `known` rows (N,); the others, on which nothing was learnt, become the mean: 0."""
    centred = (matrix - matrix[known].mean(axis=0)) * known[:, None]
    return centred / max(float(np.sqrt((centred[known] ** 2).sum(axis=1).mean())), 1e-12)
