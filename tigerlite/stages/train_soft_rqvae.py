"""Trains UniGRec's tokenizer on the items' embeddings: the part of stage `tokenize` that needs a Trainer."""

import json
import logging
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from tigerlite.callbacks.annealing import Annealing
from tigerlite.callbacks.checkpoint_ensemble import CheckpointEnsemble
from tigerlite.callbacks.codebook_health import CodebookHealth
from tigerlite.config import InputError
from tigerlite.data.dataset import RecDataset
from tigerlite.distributed import is_rank_zero
from tigerlite.stages.resolve import Coded
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.stages.train_rqvae import PRECISIONS, fitted_rows, known_rows
from tigerlite.stages.trainer import LAST, build_trainer, fit
from tigerlite.stages.trainer_config import Context
from tigerlite.tokenizers.soft_agreement import Agreement, agreement
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE
from tigerlite.tokenizers.soft_training import SoftTraining

AGREEMENT = "agreement.json"
LOW_AGREEMENT = 0.75

log = logging.getLogger(__name__)


def train_soft_rqvae(
    config: TokenizeConfig,
    matrix: np.ndarray,
    dataset: RecDataset,
    out: Path,
    context: Context | None,
    window: CheckpointEnsemble | None = None,
) -> Coded | None:
    """Train a soft RQ-VAE, save the last epoch's in `out` and encode all items.

    The last epoch, whose temperature is the lowest: a loss under a higher one is another loss, and the best of them would be
    an early epoch of hot mixtures.

    Args:
        config: method soft_rqvae.
        matrix: (N, D) embeddings.
        dataset: which items occur in training.
        out: folder; an interrupted run's `last.ckpt` in it is continued.
        context: Trainer settings and tracker.
        window: exports codes at the ends of epochs.

    Returns:
        The codes on the first process, None on the others.
    """
    context = context or Context()
    settings = config.soft_rqvae
    precision = context.trainer.resolved("precision")
    if precision not in PRECISIONS:
        raise InputError(
            f"trainer.precision={precision} cannot train the soft RQ-VAE, whose distances need float32; "
            f"allowed: {', '.join(PRECISIONS)}"
        )
    torch.manual_seed(settings.seed)
    embeddings = torch.from_numpy(matrix).float()
    fitted = fitted_rows(config, dataset)
    rows = torch.arange(len(embeddings)) if fitted is None else fitted
    _check_enough(len(rows), settings.codebook_sizes)
    tokenizer = SoftRQVAE(settings, embeddings.shape[1])
    model = SoftTraining(tokenizer, embeddings, rows, known_rows(dataset))
    epochs = context.trainer.epochs(settings.epochs)
    annealing = Annealing(settings.tau_max, settings.tau_min, settings.schedule, settings.anneal_per, settings.hold)
    trainer = build_trainer(
        context,
        stage=context.stage or "tokenize",
        folder=out,
        epochs=epochs,
        # Its warnings are about settings of another tokenizer.
        callbacks=[annealing, CodebookHealth(patience=epochs + 1), *([] if window is None else [window])],
        monitor="tokenize/train/loss",  # of best.ckpt, which nothing reads
        clip=settings.clip,
    )
    fit(trainer, model, out)
    if not is_rank_zero():
        return None
    model.load_state_dict(torch.load(out / LAST, weights_only=True, map_location="cpu")["state_dict"])
    tokenizer.cpu().save(out)
    _report(agreement(tokenizer, embeddings), out)
    return Coded(tokenizer.encode(embeddings).numpy(), settings.codebook_sizes, tokenizer.space(embeddings))


def _report(found: Agreement, out: Path) -> None:
    """Write how far codes and mixtures say the same, and warn where they do not."""
    (out / AGREEMENT).write_text(json.dumps(asdict(found), indent=1) + "\n")
    shares = " / ".join(f"{share:.2f}" for share in found.largest_share)
    log.info(
        "mixtures: likeliest codes have %s of them; %.0f %% of the items have the codes of a hard chain; of the variance "
        "%.0f %% is lost by mixtures, %.0f %% by codes",
        shares,
        *(100 * value for value in (found.same_codes, found.lost_by_mixtures, found.lost_by_codes)),
    )
    if found.same_codes < LOW_AGREEMENT:
        log.warning(
            "training ended before mixtures became codes: encoder and decoder of the recommender would be told different things; "
            "set tokenize.soft_rqvae.tau_min lower or hold higher, and where codes die then, schedule=exponential and lr=3e-4"
        )


def _check_enough(n_items: int, codebook_sizes: tuple[int, ...]) -> None:
    if n_items < max(codebook_sizes):
        raise InputError(
            f"{n_items} items to train on are fewer than the {max(codebook_sizes)} codes of a level; "
            f"set tokenize.soft_rqvae.codebook_sizes to smaller levels"
        )
