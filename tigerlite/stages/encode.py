"""Stage `encode`: one embedding per item, from its text, from its attributes, or read from a file.

Texts are embedded shard by shard. A finished shard is renamed into `out/shards`, under a name that holds the hash of
its texts and settings, so a run that was interrupted goes on where it stopped and ends with the same numbers: which
texts share a batch does not depend on where it stopped. The shards are removed once the matrix is written.

One process does all of it. Under torchrun or `fabric run` only rank 0 enters, so the Trainer must not look for the
others.
"""

import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import lightning
import numpy as np
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch import Tensor

from tigerlite.config import ConfigError, InputError, check_choice, fingerprint
from tigerlite.data.dataset import RecDataset
from tigerlite.encoders import ENCODERS
from tigerlite.encoders.attributes import AttributesConfig, encode_attributes
from tigerlite.encoders.embeddings import ItemEmbeddings, read_matrix
from tigerlite.encoders.module import EmbeddingEncoder
from tigerlite.encoders.text import TextEncoderConfig
from tigerlite.encoders.token_batches import TokenBatch, pad_rows, rows_by_length
from tigerlite.stages.sources import Source, source_of
from tigerlite.stages.trainer import building, running
from tigerlite.stages.trainer_config import Context

VERSION = 1
TRAINS = False
METHODS = (*ENCODERS, "file")

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FileConfig:
    """Embeddings that were made elsewhere."""

    path: Path | None = None
    """An .npy file (N, D) of finite numbers; row i belongs to item id i + 1 of the prepared data."""


@dataclass(frozen=True, kw_only=True)
class EncodeConfig:
    """Where item embeddings come from."""

    method: str = "text"
    """text (a Hugging Face model reads the item texts), attributes (tf-idf and SVD, no text needed), or file."""
    text: TextEncoderConfig = field(default_factory=TextEncoderConfig)
    """Used by method=text."""
    attributes: AttributesConfig = field(default_factory=AttributesConfig)
    """Used by method=attributes."""
    file: FileConfig = field(default_factory=FileConfig)
    """Used by method=file."""

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        if self.method == "file" and self.file.path is None:
            raise ConfigError("file.path is not set but method='file' reads it; give an .npy file (items, dimensions)")

    @property
    def unused(self) -> tuple[str, ...]:
        """Sections of the methods that were not chosen."""
        return tuple(name for name in METHODS if name != self.method)


def source(config: EncodeConfig) -> Source | None:
    """What the stage reads besides the data set; None where that is nothing, or a model named by its hub id.

    Raises:
        InputError: if the embedding file does not exist.
    """
    if config.method == "file":
        if not config.file.path.is_file():
            raise InputError(
                f"embedding file {config.file.path} does not exist; give an .npy file of shape (items, dimensions)"
            )
        return source_of([config.file.path], config.file.path.parent)
    if config.method != "text" or config.text.model is None:
        return None
    folder = Path(config.text.model).expanduser()
    return source_of(sorted(folder.rglob("*")), folder) if folder.is_dir() else None


def run(
    config: EncodeConfig,
    dataset: RecDataset,
    given: Source | None = None,
    *,
    out: Path,
    context: Context | None = None,
) -> ItemEmbeddings:
    """Embed every item of `dataset` and write the result into `out`, continuing from finished shards found there.

    Args:
        config: where the embeddings come from.
        dataset: the items, with texts or attributes.
        given: what `source` returned; it names the folder of the result, `config` says where the files are.
        out: an existing folder.
        context: Trainer settings.

    Raises:
        InputError: if the data set has no texts or attributes to encode, the model or file cannot be read, or an
            embedding is not finite.
    """
    if config.method == "text":
        matrix = _encode_texts(config.text, dataset, out, context or Context())
    elif config.method == "attributes":
        if dataset.attributes is None:
            raise InputError(
                "encode.method='attributes' but the data set has no item attributes; name them, or use text"
            )
        matrix = encode_attributes(dataset.attributes, config.attributes)
    else:
        matrix = read_matrix(config.file.path)
    embeddings = ItemEmbeddings(matrix, dataset.n_items)
    embeddings.save(out)
    shutil.rmtree(out / "shards", ignore_errors=True)
    log.info("embeddings: %d items, %d dimensions", embeddings.n_items, embeddings.dimensions)
    return load(out)


def load(folder: Path) -> ItemEmbeddings:
    """The embeddings that `run` wrote into `folder`."""
    return ItemEmbeddings.load(folder)


@dataclass(frozen=True)
class _Shard:
    """A stretch of the catalogue, and the file that holds its embeddings when they are ready."""

    texts: Sequence[str]
    path: Path


class _ShardBatches:
    """Batches of every unfinished shard, one shard after the other; a plain iterable, because order is the point."""

    def __init__(self, shards: Sequence[_Shard], encoder: EmbeddingEncoder, batch_tokens: int) -> None:
        self.pad_id = encoder.model.pad_id
        self.token_lists = [encoder.model.tokenize(shard.texts) for shard in shards]
        self.rows = [rows_by_length([len(text) for text in texts], batch_tokens) for texts in self.token_lists]
        self.shard_of = [number for number, rows in enumerate(self.rows) for _ in rows]

    def __len__(self) -> int:
        return len(self.shard_of)

    def __iter__(self) -> Iterator[TokenBatch]:
        for token_lists, batches in zip(self.token_lists, self.rows, strict=True):
            for rows in batches:
                yield pad_rows(token_lists, rows, self.pad_id)


class _ShardWriter(lightning.Callback):
    """Puts embeddings back in item order and writes each shard when its last batch is done."""

    def __init__(self, shards: Sequence[_Shard], batches: _ShardBatches) -> None:
        self.shards = shards
        self.shard_of = batches.shard_of
        self.parts: list[tuple[Tensor, Tensor]] = []
        self.started = time.monotonic()

    def on_predict_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Tensor,
        batch: TokenBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self.parts.append((batch.rows.cpu(), outputs.cpu()))
        number = self.shard_of[batch_idx]
        if batch_idx + 1 < len(self.shard_of) and self.shard_of[batch_idx + 1] == number:
            return
        shard = self.shards[number]
        matrix = np.empty((len(shard.texts), outputs.shape[1]), dtype=np.float32)
        for rows, embeddings in self.parts:
            matrix[rows.numpy()] = embeddings.numpy()
        self.parts.clear()
        # written aside and renamed, so that a shard that exists is whole; the .npy suffix keeps numpy from adding one
        aside = shard.path.with_name(f"part-{shard.path.name}")
        np.save(aside, matrix, allow_pickle=False)
        os.replace(aside, shard.path)
        self._report(number)

    def _report(self, number: int) -> None:
        done = sum(len(shard.texts) for shard in self.shards[: number + 1])
        total = sum(len(shard.texts) for shard in self.shards)
        rate = done / max(time.monotonic() - self.started, 1e-9)
        log.info("encoded %d of %d items, %.0f items/s, about %.0f s left", done, total, rate, (total - done) / rate)


def _encode_texts(config: TextEncoderConfig, dataset: RecDataset, out: Path, context: Context) -> np.ndarray:
    """Embeddings (N, D) of the item texts, by way of shard files."""
    if dataset.texts is None:
        raise InputError(
            "encode.method='text' but the data set has no item texts; prepare it with text columns, "
            "set encode.method=attributes, or use a data set with imported identifiers, which need no embeddings"
        )
    folder = out / "shards"
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, len(dataset.texts), config.shard_size)
    shards = [_shard(config, dataset.texts[start : start + config.shard_size], folder, start) for start in starts]
    unfinished = [shard for shard in shards if not shard.path.exists()]
    if len(unfinished) < len(shards):
        log.info("continuing: %d of %d shards are encoded already", len(shards) - len(unfinished), len(shards))
    if unfinished:
        encoder = EmbeddingEncoder(config)
        batches = _ShardBatches(unfinished, encoder, config.batch_tokens)
        _predict(encoder, batches, _ShardWriter(unfinished, batches), context)
    return np.concatenate([read_matrix(shard.path) for shard in shards])


def _shard(config: TextEncoderConfig, texts: Sequence[str], folder: Path, start: int) -> _Shard:
    return _Shard(texts, folder / f"{start:09d}-{fingerprint(config, list(texts))}.npy")


def _predict(encoder: EmbeddingEncoder, batches: _ShardBatches, writer: _ShardWriter, context: Context) -> None:
    """Run the Trainer over all batches in this process alone; Ctrl-C arrives as KeyboardInterrupt."""
    on_terminal = context.trainer.progress and sys.stdout.isatty()
    with building(context.trainer):
        trainer = lightning.Trainer(
            accelerator=context.trainer.resolved("accelerator"),
            devices=1,
            num_nodes=1,
            # named, because what torchrun sets in the environment would select one that expects all ranks
            plugins=[LightningEnvironment()],
            callbacks=[writer, RichProgressBar()] if on_terminal else [writer],
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=on_terminal,
        )
    with running():
        trainer.predict(encoder, dataloaders=batches, return_predictions=False)
