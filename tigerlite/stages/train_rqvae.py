"""Trains an RQ-VAE on the items' embeddings: the part of stage `tokenize` that needs a Trainer."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tigerlite.callbacks.checkpoint_ensemble import CheckpointEnsemble
from tigerlite.callbacks.codebook_health import CodebookHealth
from tigerlite.callbacks.early_stopping import ResumableEarlyStopping
from tigerlite.config import InputError
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import training_items
from tigerlite.distributed import is_rank_zero
from tigerlite.stages.resolve import Coded
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.stages.trainer import BEST, build_trainer, fit
from tigerlite.stages.trainer_config import Context
from tigerlite.tokenizers.collaborative import Collaborative
from tigerlite.tokenizers.letter import regularise
from tigerlite.tokenizers.rqvae import RQVAE

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


def train_rqvae(
    config: TokenizeConfig,
    matrix: np.ndarray,
    dataset: RecDataset,
    out: Path,
    context: Context | None,
    collaborative: Collaborative | None,
    window: CheckpointEnsemble | None = None,
) -> Coded | None:
    """Train an RQ-VAE (with LETTER's terms where `config` says so), save it in `out` and encode all items.

    Args:
        config: method rqvae or letter.
        matrix: (N, D) embeddings.
        dataset: which items occur in training.
        out: folder; an interrupted run's `last.ckpt` in it is continued.
        context: Trainer settings and tracker.
        collaborative: what LETTER aligns codes with.
        window: exports epochs; the weights that are saved are then those of its central one, not of the best.

    Returns:
        The codes on the first process, None on the others.
    """
    context = context or Context()
    settings = config.rqvae
    precision = context.trainer.resolved("precision")
    if precision not in PRECISIONS:
        # An average that moves by 1 % a step stands still in bf16.
        raise InputError(
            f"trainer.precision={precision} cannot train the RQ-VAE, whose codebooks are kept in float32; "
            f"allowed: {', '.join(PRECISIONS)}"
        )
    torch.manual_seed(settings.seed)
    model = RQVAE(settings, matrix.shape[1])
    model.attach(torch.from_numpy(matrix), fitted_rows(config, dataset), known_rows(dataset))
    if config.method == "letter":
        regularise(model, config.letter, collaborative)
    callbacks: list[Any] = [CodebookHealth()]
    if settings.patience:
        callbacks.append(ResumableEarlyStopping(model.monitor, patience=settings.patience, mode="min"))
    if window is not None:
        callbacks.append(window)
    trainer = build_trainer(
        context,
        stage=context.stage or "tokenize",
        folder=out,
        epochs=context.trainer.epochs(settings.epochs),
        callbacks=callbacks,
        monitor=model.monitor,
        mode="min",
    )
    fit(trainer, model, out)
    if not is_rank_zero():
        return None
    if window is not None:
        window.members()  # before weights are looked for: a window that was not filled says so
    best = window.weights if window else torch.load(out / BEST, weights_only=True, map_location="cpu")["state_dict"]
    model.load_state_dict(best)
    model.cpu().save(out)
    embeddings = torch.from_numpy(matrix)
    return Coded(model.encode(embeddings).numpy(), settings.codebook_sizes, model.space(embeddings))


def fitted_rows(config: TokenizeConfig, dataset: RecDataset) -> torch.Tensor | None:
    """Rows (item id - 1) that a tokenizer is fitted on, None = all; items held out as cold come later and are none of them."""
    return training_rows(dataset) if config.train_items_only or dataset.holds_out_items else None


def known_rows(dataset: RecDataset) -> torch.Tensor | None:
    """Rows whose embeddings there are when a tokenizer is made, None = all: items held out as cold come later."""
    return training_rows(dataset) if dataset.holds_out_items else None


def training_rows(dataset: RecDataset) -> torch.Tensor:
    """Rows (item id - 1) of the items that occur in some user's training part, ascending."""
    return torch.from_numpy(np.unique(training_items(dataset)).astype(np.int64) - 1)
