"""Item texts to embeddings, shard by shard.

A finished shard is renamed into `out/shards`, under a name that holds the hash of its texts and settings, so a run that was
interrupted goes on where it stopped and ends with the same numbers: which texts share a batch does not depend on where it
stopped.

One process does all of it. Under torchrun or `fabric run` only rank 0 enters, so the Trainer must not look for the
others.
"""

import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning
import numpy as np
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch import Tensor

from tigerlite.config import InputError, fingerprint
from tigerlite.encoders.embeddings import read_matrix
from tigerlite.encoders.module import EmbeddingEncoder
from tigerlite.encoders.text import TextEncoderConfig
from tigerlite.encoders.token_batches import TokenBatch, pad_rows, rows_by_length
from tigerlite.stages.trainer import building, running
from tigerlite.stages.trainer_config import Context

SHARDS = "shards"
"""Folder of the finished shards, in that of the stage."""

log = logging.getLogger(__name__)


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


def embed_texts(config: TextEncoderConfig, texts: Sequence[str] | None, out: Path, context: Context) -> np.ndarray:
    """Embeddings (N, D) of the N item texts, by way of shard files in `out`.

    Raises:
        InputError: if there are no texts.
    """
    if texts is None:
        raise InputError(
            "encode.method='text' but the data set has no item texts; prepare it with text columns, "
            "set encode.method=attributes, or use a data set with imported identifiers, which need no embeddings"
        )
    folder = out / SHARDS
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, len(texts), config.shard_size)
    shards = [_shard(config, texts[start : start + config.shard_size], folder, start) for start in starts]
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
