"""Stage `tokenize`: item embeddings (or published identifiers) become a bank of unique semantic ids."""

import json
import logging
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tigerlite.callbacks.checkpoint_ensemble import CheckpointEnsemble, window_epochs
from tigerlite.callbacks.codebook_health import LOW_SHARE, CodebookHealth, low_perplexity
from tigerlite.callbacks.early_stopping import ResumableEarlyStopping
from tigerlite.config import ConfigError, InputError, check, check_choice
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import training_items
from tigerlite.distributed import is_rank_zero
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.evaluation.codes import codes_health, collision_rate
from tigerlite.stages.member_banks import (
    ENSEMBLES,
    Member,
    from_window,
    independent_members,
    member_window,
    write_bank,
)
from tigerlite.stages.sources import Source, source_of
from tigerlite.stages.trainer import BEST, Context, build_trainer, fit
from tigerlite.tokenizers import TOKENIZERS
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.collisions import (
    COLLISIONS,
    Resolved,
    codebooks_from_codes,
    nearest_free,
    random_free,
    rank_digit,
)
from tigerlite.tokenizers.imported import ImportedConfig, import_codes
from tigerlite.tokenizers.rqvae import RQVAE, RQVAEConfig
from tigerlite.tokenizers.vocabulary import SemanticVocab

VERSION = 1
TRAINS = True
HEALTH = "codebook_health.json"
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TokenizeConfig:
    """How items get their semantic ids."""

    method: str = "rqvae"
    """rqvae (trained on the embeddings) or imported (published identifiers)."""
    rqvae: RQVAEConfig = field(default_factory=RQVAEConfig)
    """Used by method=rqvae."""
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
    members: int = 1
    """Identifiers per item, M (15 to 25 in MTGRec, arXiv 2504.04400); 1 = the best epoch of one tokenizer."""
    ensemble: str = "checkpoints"
    """Where members > 1 come from: checkpoints (last epochs of one run, MTGRec) or independent (seeds seed, seed + 1, ...)."""
    member_interval: int = 1
    """Epochs between the members of ensemble=checkpoints (1 in MTGRec)."""

    def __post_init__(self) -> None:
        check_choice("method", self.method, tuple(TOKENIZERS))
        check_choice("collisions", self.collisions, COLLISIONS)
        check(self.max_digits >= 1, "max_digits", self.max_digits, "an integer >= 1")
        check(self.seed >= 0, "seed", self.seed, "an integer >= 0")
        check(self.members >= 1, "members", self.members, "an integer >= 1")
        check(self.member_interval >= 1, "member_interval", self.member_interval, "an integer >= 1")
        check_choice("ensemble", self.ensemble, ENSEMBLES)
        if self.members > 1:
            check(self.method == "rqvae", "members", self.members, f"1 with method={self.method}")
        if self.members > 1 and self.ensemble == "checkpoints" and self.rqvae.patience:
            raise ConfigError(
                f"members={self.members} of ensemble=checkpoints are the last epochs of a run of known length, but "
                f"rqvae.patience={self.rqvae.patience} may end it early; set rqvae.patience=0"
            )

    @property
    def unused(self) -> tuple[str, ...]:
        """Sections of the methods that were not chosen, and what only several members read."""
        if self.members == 1:
            single = ("members", "ensemble", "member_interval")
        else:
            single = ("member_interval",) if self.ensemble == "independent" else ()
        return (*(name for name in TOKENIZERS if name != self.method), *single)

    @property
    def needs_embeddings(self) -> bool:
        """Whether the stage reads item embeddings."""
        return self.method == "rqvae" or self.collisions == "nearest_free"

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
        out: gets the bank, `codebook_health.json` and the tokenizer; `last.ckpt` of an interrupted run is continued.
        context: Trainer settings and tracker.

    Returns:
        The bank on the first process, None on the others (they load it once the folder is complete).

    Raises:
        InputError: if embeddings are needed and absent or of other items, or the items do not fit the codebooks.
    """
    out = Path(out)
    matrix = _checked_matrix(config, embeddings, dataset)
    if config.members > 1:
        return _members(config, matrix, dataset, out, context)
    if config.method == "rqvae":
        coded = _train_rqvae(config, matrix, dataset, out, context)
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


def _members(
    config: TokenizeConfig, matrix: np.ndarray, dataset: RecDataset, out: Path, context: Context | None
) -> TokenizerBank | None:
    """A bank of several members; the tokenizer that is saved, and the health that is reported, are member 0's."""
    context = context or Context()
    sizes = config.rqvae.codebook_sizes

    def resolve(codes: np.ndarray, latents: np.ndarray | None = None, codebooks: list[np.ndarray] | None = None):
        return _resolve(config, _Coded(codes, sizes, latents, codebooks))

    if config.ensemble == "independent":

        def train(number: int, folder: Path) -> Member | None:
            seeded = config.with_seed(config.rqvae.seed + number)
            coded = _train_rqvae(seeded, matrix, dataset, folder, context)
            return coded and Member(coded.codes, _resolve(seeded, coded), {"seed": seeded.rqvae.seed})

        members = independent_members(config.members, out, train)
    else:
        epochs = window_epochs(config.members, config.member_interval, context.trainer.epochs(config.rqvae.epochs))
        window = member_window(epochs, matrix, with_latents=config.collisions == "nearest_free")
        finished = _train_rqvae(config, matrix, dataset, out, context, window)
        members = from_window(epochs, window.members(), resolve) if finished else []
    if not is_rank_zero():
        return None
    write_bank(members, dataset.item_ids, out)
    _report(config, _Coded(members[0].codes, sizes, None, None), members[0].resolved, out)
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
        raise InputError("tokenize.method=rqvae needs item embeddings; run the encode stage first")
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
    window: CheckpointEnsemble | None = None,
) -> _Coded | None:
    """Train; the weights that are saved are those of the best epoch, or of the central one of a window."""
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
        if config.method == "rqvae" and level.perplexity < LOW_SHARE * level.size:
            log.warning(low_perplexity(number, level))
