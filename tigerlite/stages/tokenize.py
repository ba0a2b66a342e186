"""Stage `tokenize`: item embeddings (or published identifiers) become a bank of unique semantic ids."""

import logging
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from tigerlite.callbacks.checkpoint_ensemble import window_epochs
from tigerlite.config import InputError, reseeded
from tigerlite.data.dataset import RecDataset
from tigerlite.distributed import is_rank_zero
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.stages.codebook_health import report
from tigerlite.stages.diagnostics import show_codes
from tigerlite.stages.member_banks import (
    Member,
    exported_codes,
    from_window,
    independent_members,
    member_window,
    soft_window,
    write_bank,
)
from tigerlite.stages.resolve import Coded, resolve
from tigerlite.stages.sources import Source, source_of
from tigerlite.stages.tokenize_config import BY_DISTANCE, TokenizeConfig
from tigerlite.stages.train_rqvae import fitted_rows, train_rqvae, training_rows
from tigerlite.stages.train_soft_rqvae import train_soft_rqvae
from tigerlite.stages.trainer_config import Context
from tigerlite.tokenizers import CLOSED_FORM, SOFT, TOKENIZERS, TRAINED
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.collaborative import Collaborative
from tigerlite.tokenizers.collisions import codebooks_from_codes
from tigerlite.tokenizers.imported import import_codes
from tigerlite.tokenizers.saved import Tokenizer, saved_fingerprint
from tigerlite.tokenizers.space import AdditiveSpace
from tigerlite.tokenizers.vocabulary import SemanticVocab

VERSION = 1
TRAINS = True

MANY_ALIKE = 0.1
"""Share of items with another item's embedding from which a line says so."""

log = logging.getLogger(__name__)


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
    if config.members > 1:
        return _members(config, matrix, dataset, out, context or Context(), collaborative)
    if config.method in TRAINED:
        coded = train_rqvae(config, matrix, dataset, out, context, collaborative)
    elif config.method in SOFT:
        coded = train_soft_rqvae(config, matrix, dataset, out, context)
    elif not is_rank_zero():
        coded = None  # one writer: nothing here waits for the other processes
    elif config.method in CLOSED_FORM:
        coded = _fit(config, matrix, dataset, out)
    else:
        coded = _import(config, matrix, dataset)
    if coded is None:
        return None
    resolved = resolve(config, coded, late_items(dataset))
    codes = torch.from_numpy(np.concatenate([np.zeros_like(resolved.codes[:1]), resolved.codes]))
    shared = config.collisions == "none" and resolved.n_duplicates > 0
    provenance = {"members": [{"tokenizer": maker}]} if (maker := saved_fingerprint(out)) else {}
    TokenizerBank(codes[None], SemanticVocab(resolved.codebook_sizes), shared, provenance).save(out)
    report(config, coded, resolved, out)
    _show(context, resolved.codes, dataset, out)
    return load(out)


def _members(
    config: TokenizeConfig,
    matrix: np.ndarray,
    dataset: RecDataset,
    out: Path,
    context: Context,
    collaborative: Collaborative | None,
) -> TokenizerBank | None:
    """A bank of several members; the tokenizer that is saved, and the health that is reported, are member 0's."""
    late = late_items(dataset)
    if config.method in SOFT:
        members = _soft_members(config, matrix, dataset, out, context)
    elif config.ensemble == "independent":

        def train(number: int, folder: Path) -> Member | None:
            # Runs of neighbouring seeds share no tokenizer.
            seeded = reseeded(config, config.rqvae.seed * config.members + number)
            coded = train_rqvae(seeded, matrix, dataset, folder, context, collaborative)
            return coded and Member(coded.codes, resolve(seeded, coded, late), {"seed": seeded.rqvae.seed})

        members = independent_members(config.members, out, train)
    else:
        epochs = window_epochs(config.members, config.member_interval, context.trainer.epochs(config.rqvae.epochs))
        window = member_window(epochs, matrix, with_latents=config.collisions in BY_DISTANCE)
        finished = train_rqvae(config, matrix, dataset, out, context, collaborative, window)
        coded = [exported_codes(config, parts) for parts in window.members()] if finished else []
        members = from_window(epochs, coded, lambda member: resolve(config, member, late)) if finished else []
    if not is_rank_zero():
        return None
    write_bank(members, dataset.item_ids, out)
    sizes = (config.soft_rqvae if config.method in SOFT else config.rqvae).codebook_sizes
    report(config, Coded(members[0].codes, sizes, None), members[0].resolved, out)
    _show(context, members[0].resolved.codes, dataset, out)
    return load(out)


def _show(context: Context | None, codes: np.ndarray, dataset: RecDataset, out: Path) -> None:
    context = context or Context()
    show_codes(context.tracker, context.stage or "tokenize", codes, dataset, out)


def _soft_members(
    config: TokenizeConfig, matrix: np.ndarray, dataset: RecDataset, out: Path, context: Context
) -> list[Member]:
    """The last epochs, the last one first: it alone has the temperature at which the tokenizer is read from then on."""
    epochs = window_epochs(config.members, config.member_interval, context.trainer.epochs(config.soft_rqvae.epochs))
    window = soft_window(epochs, matrix)
    last = train_soft_rqvae(config, matrix, dataset, out, context, window)
    if last is None:
        return []
    before = [Coded(parts["codes"].numpy(), last.codebook_sizes, None) for parts in window.members()[:-1]]
    coded = [last, *reversed(before)]
    sources = zip(coded, reversed(epochs), strict=True)
    late = late_items(dataset)
    return [Member(found.codes, resolve(config, found, late), {"epoch": epoch}) for found, epoch in sources]


def late_items(dataset: RecDataset) -> np.ndarray | None:
    """(N,) bool, items without a training event of a data set that holds some out as cold; None of any other."""
    if not dataset.holds_out_items:
        return None
    late = np.ones(dataset.n_items, dtype=bool)
    late[training_rows(dataset).numpy()] = False
    return late


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
    n_distinct = _n_distinct(embeddings.matrix)
    if n_distinct < (1 - MANY_ALIKE) * embeddings.n_items:
        log.warning(
            "%d items have %d distinct embeddings; what is alike can be told apart by the resolution of collisions alone, so "
            "give the items distinct texts",
            embeddings.n_items,
            n_distinct,
        )
    return embeddings.matrix


def _n_distinct(matrix: np.ndarray) -> int:
    """Rows that differ; a random projection tells them apart, since sorting whole rows of a million items takes minutes."""
    direction = np.random.default_rng(0).standard_normal(matrix.shape[1])
    projected = matrix @ direction
    return len(np.unique(np.round(projected / max(np.abs(projected).max(), 1e-30), 12)))


def _fit(config: TokenizeConfig, matrix: np.ndarray | None, dataset: RecDataset, out: Path) -> Coded:
    """Fit a member in closed form, on the items of training sequences alone where the config says so."""
    if matrix is None:
        matrix = np.empty((dataset.n_items, 0), dtype=np.float32)  # a member that looks at the number of items alone
    fitted = fitted_rows(config, dataset)
    rows = slice(None) if fitted is None else fitted.numpy()
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
