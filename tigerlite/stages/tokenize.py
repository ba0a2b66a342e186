"""Stage `tokenize`: item embeddings (or published identifiers) become a bank of unique semantic ids."""

from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tigerlite.callbacks.codebook_health import CodebookHealth
from tigerlite.callbacks.early_stopping import ResumableEarlyStopping
from tigerlite.config import InputError, check, check_choice
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import training_items
from tigerlite.distributed import is_rank_zero
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.stages.identifiers import HEALTH as HEALTH
from tigerlite.stages.identifiers import Coded, report, resolve
from tigerlite.stages.sources import Source, source_of
from tigerlite.stages.trainer import BEST, Context, build_trainer, fit
from tigerlite.tokenizers import CLOSED_FORM, TOKENIZERS, TRAINED
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.collaborative import Collaborative
from tigerlite.tokenizers.collisions import COLLISIONS, codebooks_from_codes
from tigerlite.tokenizers.hierarchical import HierarchicalConfig
from tigerlite.tokenizers.imported import ImportedConfig, import_codes
from tigerlite.tokenizers.letter import LetterConfig, regularise
from tigerlite.tokenizers.opq import OPQConfig
from tigerlite.tokenizers.pq import PQConfig
from tigerlite.tokenizers.random import RandomConfig
from tigerlite.tokenizers.rqkmeans import RQKMeansConfig
from tigerlite.tokenizers.rqvae import RQVAE, RQVAEConfig
from tigerlite.tokenizers.saved import Tokenizer
from tigerlite.tokenizers.saved import load_tokenizer as load_tokenizer
from tigerlite.tokenizers.sinkhorn_rounds import SinkhornConfig
from tigerlite.tokenizers.space import AdditiveSpace
from tigerlite.tokenizers.vocabulary import SemanticVocab

VERSION = 1
TRAINS = True
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
WITHOUT_EMBEDDINGS = ("imported", "random")
BY_DISTANCE = ("nearest_free", "sinkhorn_rounds")


@dataclass(frozen=True, kw_only=True)
class TokenizeConfig:
    """How items get their semantic ids."""

    method: str = "rqvae"
    """rqvae (trained on the embeddings), letter (the same, aligned with collaborative embeddings), rqkmeans, pq, opq,
    hierarchical (fitted in closed form), random (the control) or imported (published identifiers)."""
    rqvae: RQVAEConfig = field(default_factory=RQVAEConfig)
    """Used by method=rqvae and method=letter."""
    letter: LetterConfig = field(default_factory=LetterConfig)
    """Used by method=letter."""
    imported: ImportedConfig = field(default_factory=ImportedConfig)
    """Used by method=imported."""
    rqkmeans: RQKMeansConfig = field(default_factory=RQKMeansConfig)
    """Used by method=rqkmeans."""
    pq: PQConfig = field(default_factory=PQConfig)
    """Used by method=pq."""
    opq: OPQConfig = field(default_factory=OPQConfig)
    """Used by method=opq."""
    hierarchical: HierarchicalConfig = field(default_factory=HierarchicalConfig)
    """Used by method=hierarchical."""
    random: RandomConfig = field(default_factory=RandomConfig)
    """Used by method=random."""
    collisions: str = "rank_digit"
    """For items with equal codes: rank_digit (one more level, TIGER, arXiv 2305.05065), nearest_free, random_free, first_free
    (arXiv 2601.17787), sinkhorn_rounds (LETTER, arXiv 2405.07314) or none (they share a path)."""
    sinkhorn_rounds: SinkhornConfig = field(default_factory=SinkhornConfig)
    """Used by collisions=sinkhorn_rounds."""
    max_digits: int = 256
    """Largest group of items with equal codes that rank_digit accepts (256 in MTGRec, arXiv 2504.04400)."""
    train_items_only: bool = False
    """Train on items that occur in training sequences only, as MTGRec does; all items get codes either way."""
    seed: int = 0
    """Of collisions=random_free; the methods have their own."""

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
        others = tuple(name for name in TOKENIZERS if name not in used)
        return others if self.collisions == "sinkhorn_rounds" else (*others, "sinkhorn_rounds")

    @property
    def needs_embeddings(self) -> bool:
        """Whether the stage reads item embeddings."""
        by_distance = self.method == "imported" and self.collisions in BY_DISTANCE
        return self.method not in WITHOUT_EMBEDDINGS or by_distance

    @property
    def needs_collaborative(self) -> bool:
        """Whether the stage reads collaborative item embeddings."""
        return self.method == "letter" and self.letter.alpha > 0

    def with_seed(self, seed: int) -> "TokenizeConfig":
        """The same config with another seed everywhere."""
        seeded = {name: replace(getattr(self, name), seed=seed) for name in ("rqvae", *CLOSED_FORM)}
        return replace(self, seed=seed, **seeded)


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
    elif not is_rank_zero():
        coded = None  # one writer: nothing here waits for the other processes
    elif config.method in CLOSED_FORM:
        coded = _fit(config, matrix, dataset, out)
    else:
        coded = _import(config, matrix, dataset)
    if coded is None:
        return None
    resolved = resolve(config, coded)
    codes = torch.from_numpy(np.concatenate([np.zeros_like(resolved.codes[:1]), resolved.codes]))
    shared = config.collisions == "none" and resolved.n_duplicates > 0
    TokenizerBank(codes[None], SemanticVocab(resolved.codebook_sizes), buckets=shared).save(out)
    report(config, coded, resolved, out)
    return load(out)


def load(folder: Path) -> TokenizerBank:
    """The bank in a finished folder."""
    return TokenizerBank.load(folder)


def _checked_matrix(
    config: TokenizeConfig, embeddings: ItemEmbeddings | None, dataset: RecDataset
) -> np.ndarray | None:
    if not config.needs_embeddings:
        return None
    if embeddings is None and config.method == "imported":
        raise InputError(
            f"tokenize.collisions={config.collisions} needs item embeddings to measure distance; give them, or set "
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
) -> Coded | None:
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
    space = AdditiveSpace(model.latents(embeddings).numpy(), codebooks)
    return Coded(model.encode(embeddings).numpy(), settings.codebook_sizes, space)


def _training_rows(dataset: RecDataset) -> torch.Tensor:
    """Rows (item id - 1) of the items that occur in some user's training part, ascending."""
    return torch.from_numpy(np.unique(training_items(dataset)).astype(np.int64) - 1)


def _fit(config: TokenizeConfig, matrix: np.ndarray | None, dataset: RecDataset, out: Path) -> Coded:
    """Fit a member in closed form, on the items of training sequences alone where the config says so."""
    if matrix is None:
        matrix = np.empty((dataset.n_items, 0), dtype=np.float32)  # a member that looks at the number of items alone
    rows = _training_rows(dataset).numpy() if config.train_items_only else slice(None)
    tokenizer: Tokenizer = import_module(TOKENIZERS[config.method]).fit(matrix[rows], getattr(config, config.method))
    tokenizer.save(out)
    return Coded(tokenizer.encode(matrix).numpy(), tokenizer.codebook_sizes, tokenizer.space(matrix))


def _import(config: TokenizeConfig, matrix: np.ndarray | None, dataset: RecDataset) -> Coded:
    imported = import_codes(config.imported, dataset.identifiers, dataset.item_ids)
    space = None
    if matrix is not None:
        codebooks = codebooks_from_codes(matrix, imported.codes, imported.codebook_sizes)
        space = AdditiveSpace(matrix, codebooks)
    return Coded(imported.codes, imported.codebook_sizes, space)
