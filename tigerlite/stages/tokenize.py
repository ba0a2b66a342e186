"""Stage `tokenize`: item embeddings (or published identifiers) become a bank of unique semantic ids."""

import json
import logging
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tigerlite.callbacks.codebook_health import LOW_SHARE, CodebookHealth, low_perplexity
from tigerlite.callbacks.early_stopping import ResumableEarlyStopping
from tigerlite.config import InputError, check, check_choice
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import training_items
from tigerlite.distributed import is_rank_zero
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.evaluation.codes import codes_health, collision_rate
from tigerlite.stages.sources import Source, source_of
from tigerlite.stages.trainer import BEST, Context, build_trainer, fit
from tigerlite.tokenizers import TOKENIZERS
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.collaborative import Collaborative
from tigerlite.tokenizers.collisions import (
    COLLISIONS,
    Resolved,
    codebooks_from_codes,
    nearest_free,
    random_free,
    rank_digit,
)
from tigerlite.tokenizers.imported import ImportedConfig, import_codes
from tigerlite.tokenizers.letter import LetterConfig, regularise
from tigerlite.tokenizers.rqvae import RQVAE, RQVAEConfig
from tigerlite.tokenizers.vocabulary import SemanticVocab

VERSION = 1
TRAINS = True
HEALTH = "codebook_health.json"
TRAINED = ("rqvae", "letter")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TokenizeConfig:
    """How items get their semantic ids."""

    method: str = "rqvae"
    """rqvae (trained on the embeddings), letter (the same, aligned with collaborative embeddings) or imported (published
    identifiers)."""
    rqvae: RQVAEConfig = field(default_factory=RQVAEConfig)
    """Used by method=rqvae and method=letter."""
    letter: LetterConfig = field(default_factory=LetterConfig)
    """Used by method=letter."""
    imported: ImportedConfig = field(default_factory=ImportedConfig)
    """Used by method=imported."""
    collisions: str = "rank_digit"
    """For items with equal codes: rank_digit (one more level, TIGER, arXiv 2305.05065), nearest_free or random_free."""
    max_digits: int = 256
    """Largest group of items with equal codes that rank_digit accepts (256 in MTGRec, arXiv 2504.04400)."""
    train_items_only: bool = False
    """Train on items that occur in training sequences only, as MTGRec does; all items get codes either way."""
    seed: int = 0
    """Of collisions=random_free; the RQ-VAE has its own."""

    def __post_init__(self) -> None:
        check_choice("method", self.method, tuple(TOKENIZERS))
        check_choice("collisions", self.collisions, COLLISIONS)
        check(self.max_digits >= 1, "max_digits", self.max_digits, "an integer >= 1")
        check(self.seed >= 0, "seed", self.seed, "an integer >= 0")
        if self.method == "letter":
            self.letter.check_rqvae(self.rqvae)

    @property
    def unused(self) -> tuple[str, ...]:
        """Sections of the methods that were not chosen."""
        used = (self.method, "rqvae") if self.method in TRAINED else (self.method,)
        return tuple(name for name in TOKENIZERS if name not in used)

    @property
    def needs_embeddings(self) -> bool:
        """Whether the stage reads item embeddings."""
        return self.method in TRAINED or self.collisions == "nearest_free"

    @property
    def needs_collaborative(self) -> bool:
        """Whether the stage reads collaborative item embeddings."""
        return self.method == "letter" and self.letter.alpha > 0

    def with_seed(self, seed: int) -> "TokenizeConfig":
        """The same config with another seed everywhere."""
        return replace(self, seed=seed, rqvae=replace(self.rqvae, seed=seed))


@dataclass(frozen=True)
class _Coded:
    """Codes before collisions are resolved, and the space in which `nearest_free` measures distance."""

    codes: np.ndarray
    codebook_sizes: tuple[int, ...]
    latents: np.ndarray | None
    codebooks: list[np.ndarray] | None


def source(config: TokenizeConfig) -> Source | None:
    """The file of published identifiers, where the config names one.

    Raises:
        InputError: if it does not exist.
    """
    file = config.imported.file
    if config.method != "imported" or file is None:
        return None
    if not file.is_file():
        raise InputError(f"file {file} does not exist; set tokenize.imported.file to an index JSON")
    return source_of([file], file.parent)


def run(
    config: TokenizeConfig,
    embeddings: ItemEmbeddings | None,
    dataset: RecDataset,
    given: Source | None = None,
    collaborative: Collaborative | None = None,
    *,
    out: Path,
    context: Context | None = None,
) -> TokenizerBank | None:
    """Give every item of `dataset` a unique code path; train the tokenizer first where the method has one.

    Args:
        config: what to do.
        embeddings: of all items; None is enough where `config.needs_embeddings` is false.
        dataset: which items occur in training, imported identifiers, item ids.
        given: what `source` returned; it names the folder of the result, `config` says where the file is.
        collaborative: of all items; None is enough where `config.needs_collaborative` is false.
        out: gets the bank, `codebook_health.json` and the tokenizer; `last.ckpt` of an interrupted run is continued.
        context: Trainer settings and tracker.

    Returns:
        The bank on the first process, None on the others (they load it once the folder is complete).

    Raises:
        InputError: if embeddings are needed and absent or of other items, or the items do not fit the codebooks.
    """
    out = Path(out)
    matrix = _checked_matrix(config, embeddings, dataset)
    if config.method in TRAINED:
        coded = _train_rqvae(config, matrix, dataset, out, context, collaborative)
    else:
        # One writer: nothing here waits for the other processes.
        coded = _import(config, matrix, dataset) if is_rank_zero() else None
    if coded is None:
        return None
    resolved = _resolve(config, coded)
    codes = torch.from_numpy(np.concatenate([np.zeros_like(resolved.codes[:1]), resolved.codes]))
    TokenizerBank(codes[None], SemanticVocab(resolved.codebook_sizes)).save(out)
    _report(config, coded, resolved, out)
    return load(out)


def load(folder: Path) -> TokenizerBank:
    """The bank in a finished folder."""
    return TokenizerBank.load(folder)


def load_tokenizer(folder: Path) -> RQVAE:
    """The tokenizer in a finished folder, which encodes embeddings of new items.

    Raises:
        InputError: if the identifiers were imported, so that there is none.
    """
    return RQVAE.load(folder)


def _checked_matrix(
    config: TokenizeConfig, embeddings: ItemEmbeddings | None, dataset: RecDataset
) -> np.ndarray | None:
    if not config.needs_embeddings:
        return None
    if embeddings is None and config.method == "imported":
        raise InputError(
            "tokenize.collisions=nearest_free needs item embeddings to measure distance; give them, or set "
            "tokenize.collisions=random_free"
        )
    if embeddings is None:
        raise InputError(f"tokenize.method={config.method} needs item embeddings; run the encode stage first")
    if embeddings.n_items != dataset.n_items:
        raise InputError(
            f"embeddings of {embeddings.n_items} items were given but the data set has {dataset.n_items}; encode it"
        )
    return embeddings.matrix


def _train_rqvae(
    config: TokenizeConfig,
    matrix: np.ndarray,
    dataset: RecDataset,
    out: Path,
    context: Context | None,
    collaborative: Collaborative | None,
) -> _Coded | None:
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
    model.attach(torch.from_numpy(matrix), _training_rows(dataset) if config.train_items_only else None)
    if config.method == "letter":
        regularise(model, config.letter, collaborative)
    callbacks: list[Any] = [CodebookHealth()]
    if settings.patience:
        callbacks.append(ResumableEarlyStopping(model.monitor, patience=settings.patience, mode="min"))
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
    checkpoint = torch.load(out / BEST, weights_only=True, map_location="cpu")
    model.load_state_dict(checkpoint["state_dict"])
    model.cpu().save(out)
    embeddings = torch.from_numpy(matrix)
    codebooks = [codebook.vectors.detach().numpy() for codebook in model.quantizer.codebooks]
    return _Coded(
        model.encode(embeddings).numpy(), settings.codebook_sizes, model.latents(embeddings).numpy(), codebooks
    )


def _training_rows(dataset: RecDataset) -> torch.Tensor:
    """Rows (item id - 1) of the items that occur in some user's training part, ascending."""
    return torch.from_numpy(np.unique(training_items(dataset)).astype(np.int64) - 1)


def _import(config: TokenizeConfig, matrix: np.ndarray | None, dataset: RecDataset) -> _Coded:
    imported = import_codes(config.imported, dataset.identifiers, dataset.item_ids)
    codebooks = None
    if matrix is not None:
        codebooks = codebooks_from_codes(matrix, imported.codes, imported.codebook_sizes)
    return _Coded(imported.codes, imported.codebook_sizes, matrix, codebooks)


def _resolve(config: TokenizeConfig, coded: _Coded) -> Resolved:
    if config.collisions == "rank_digit":
        return rank_digit(coded.codes, coded.codebook_sizes, max_digits=config.max_digits)
    if config.collisions == "random_free":
        return random_free(coded.codes, coded.codebook_sizes, generator=np.random.default_rng(config.seed))
    return nearest_free(coded.codes, coded.codebook_sizes, latents=coded.latents, codebooks=coded.codebooks)


def _report(config: TokenizeConfig, coded: _Coded, resolved: Resolved, out: Path) -> None:
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
        "identifiers: %d items, %d distinct, %d duplicates resolved by %s",
        *(health[name] for name in ("n_items", "n_distinct", "n_duplicates", "collisions")),
    )
    for number, level in enumerate(levels, start=1):
        if config.method in TRAINED and level.perplexity < LOW_SHARE * level.size:
            log.warning(low_perplexity(number, level))
