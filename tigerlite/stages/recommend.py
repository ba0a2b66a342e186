"""Stages `pretrain`, `finetune` and `teacher`: train a recommender, generative or classic, on sequences (and identifiers)."""

import logging
from dataclasses import replace
from pathlib import Path

import torch
from lightning.pytorch import Callback

from tigerlite.artifacts import write_json
from tigerlite.callbacks.curriculum import Curriculum
from tigerlite.callbacks.loss_trajectory import LossTrajectory
from tigerlite.config import InputError, to_dict
from tigerlite.data.dataset import RecDataset
from tigerlite.data.item_features import item_features
from tigerlite.data.sequences import item_counts
from tigerlite.distributed import is_rank_zero
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.evaluation.transitions import share_of_repeats
from tigerlite.losses.token_weights.fitted import TokenWeights
from tigerlite.recommenders.base import Recommender
from tigerlite.recommenders.baselines.closed_forms import CLOSED_FORMS, closed_form
from tigerlite.recommenders.generative import GenerativeRecommender
from tigerlite.recommenders.nextitem import NextItem
from tigerlite.recommenders.nextitem_inputs import log_inputs
from tigerlite.recommenders.saved import load_recommender
from tigerlite.recommenders.soft_identifiers import SoftIdentifiers
from tigerlite.recommenders.start_weights import start_from
from tigerlite.recommenders.teacher import FILE as TEACHER
from tigerlite.recommenders.teacher import save_teacher
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.recommenders.training import TrainedRecommender
from tigerlite.recommenders.unigrec import UniGRec
from tigerlite.stages.build_unigrec import build_unigrec
from tigerlite.stages.diagnostics import show_training
from tigerlite.stages.kept_models import KeptModels
from tigerlite.stages.member_choice import (
    GROUPS_FILE,
    IdentifiersConfig,
    best_of_members,
    group_sampling,
    require_same_catalogue,
    track_groups,
)
from tigerlite.stages.objective import build_objective
from tigerlite.stages.recommend_config import GENERATIVE, RecommendConfig
from tigerlite.stages.train_recommender import train_recommender
from tigerlite.stages.trainer import BEST
from tigerlite.stages.trainer_config import Context
from tigerlite.tokenizers.bank import TokenizerBank

VERSION = 1
TRAINS = True
_MANY_REPEATS = 0.01

log = logging.getLogger(__name__)


def run(
    config: RecommendConfig,
    dataset: RecDataset,
    bank: TokenizerBank | None = None,
    base: Recommender | KeptModels | None = None,
    embeddings: ItemEmbeddings | None = None,
    soft: SoftIdentifiers | None = None,
    weights: TokenWeights | None = None,
    *,
    out: Path,
    context: Context | None = None,
) -> Recommender | None:
    """Train, keep the checkpoint with the best validation NDCG@10 and write it to `out`; closed forms are counted.

    Args:
        config: what to train.
        dataset: sequences; the training part of each is all that is learnt from.
        bank: identifiers of the same catalogue, where the method reads them.
        base: a trained model whose weights to start from: a TIGER or UniGRec, or a next-item model of the same network; with
            identifiers.use=each also the models of several epochs.
        embeddings: of all items, where `config.needs_embeddings`.
        soft: tokenizer, its items and a teacher, for method=unigrec.
        weights: what is in `config.saved_weights`; None reads it.
        out: folder; an interrupted run's `last.ckpt` in it is continued.
        context: Trainer settings and tracker.

    Returns:
        The trained model on the first process, None on the others (they load it once the folder is complete).

    Raises:
        InputError: if bank and dataset have different catalogues, or weights to start from do not fit.
    """
    context = context or Context()
    if config.method in CLOSED_FORMS:
        if not is_rank_zero():
            return None
        closed_form(config.method, dataset, config.itemknn).save(out)
        return load(out)
    if config.method in GENERATIVE:
        bank = config.identifiers.chosen(_checked(bank, dataset))
    if config.identifiers.use == "each":
        return _train_each(config, dataset, bank, base, embeddings, weights, out, context)
    settings = config.tiger if config.method in GENERATIVE else config.nextitem
    stage = context.stage or "finetune"
    torch.manual_seed(settings.seed)
    if config.method == "tiger":
        _advise_copying(settings, dataset, stage)
        model = TIGER(to_dict(settings), bank, stage=stage)
    elif config.method == "unigrec":
        model = build_unigrec(config, bank, soft, context.trainer, stage)
    else:
        if is_rank_zero():
            log_inputs(settings, dataset, pretrained=base is not None)
        features = item_features(dataset, settings.features) if settings.reads_features else None
        model = NextItem(to_dict(settings), item_counts(dataset), stage=stage, features=features)
    if base is not None:
        _start_from(base, model)
    callbacks, groups = [], None
    if config.method in GENERATIVE:
        callbacks = _weight_tokens(config, model, dataset, embeddings, weights, out)
    if config.method == "tiger":
        groups = group_sampling(config.identifiers, settings, bank, dataset, context.trainer)
    train_recommender(model, settings, dataset, out, context, [*callbacks, *([] if groups is None else [groups])])
    if not is_rank_zero():
        return None
    checkpoint = torch.load(out / BEST, weights_only=True, map_location="cpu")
    model.load_state_dict(checkpoint["state_dict"])
    model.cpu().save(out)
    if config.weights_tokens:
        show_training(context.tracker, stage, dataset.n_items, out)
    if groups is not None:
        write_json(out / GROUPS_FILE, groups.records)
        track_groups(context.tracker, stage, groups.records, out)
    if isinstance(model, NextItem):
        save_teacher(out / TEACHER, model.item_embeddings[1:], dataset.item_ids)
    return load(out)


def _train_each(
    config: RecommendConfig,
    dataset: RecDataset,
    bank: TokenizerBank,
    base: Recommender | KeptModels | None,
    embeddings: ItemEmbeddings | None,
    weights: TokenWeights | None,
    out: Path,
    context: Context,
) -> Recommender | None:
    """A model per member of the bank and model to start from; the best by validation is the result."""
    if base is None:
        raise InputError("identifiers.use=each starts from a pre-trained model; set pretrain.enabled=true")
    single = replace(config, identifiers=IdentifiersConfig())
    starts = base.of_epoch if isinstance(base, KeptModels) else {None: base}

    def train(member: TokenizerBank, start: Recommender, folder: Path) -> Recommender | None:
        return run(single, dataset, member, start, embeddings, None, weights, out=folder, context=context)

    place = best_of_members(bank, starts, train, out)
    return place and load(place)


def load(folder: Path) -> Recommender:
    """The trained model in a finished folder."""
    return load_recommender(folder)


def _checked(bank: TokenizerBank | None, dataset: RecDataset) -> TokenizerBank:
    if bank is None:
        raise InputError("a generative method needs identifiers; run the tokenize stage first")
    if bank.buckets:
        raise InputError(
            "tokenize.collisions=none left items that share a path, and no recommender here ranks the items of one path; "
            "set tokenize.collisions=rank_digit (or another way to tell them apart)"
        )
    if bank.n_items != dataset.n_items:
        raise InputError(
            f"the bank has {bank.n_items} items but the data set {dataset.n_items}; tokenize this data set"
        )
    require_same_catalogue(bank, dataset)
    return bank


def _weight_tokens(
    config: RecommendConfig,
    model: GenerativeRecommender,
    dataset: RecDataset,
    embeddings: ItemEmbeddings | None,
    weights: TokenWeights | None,
    out: Path,
) -> list[Callback]:
    """Give the model its objective; what moves and shows it during training."""
    if weights is None and config.saved_weights is not None:
        weights = TokenWeights.read(config.saved_weights)
    eos = config.tiger.eos
    built = build_objective(config.objective, dataset, model.bank, embeddings, eos=eos, folder=out, saved=weights)
    if built is None:
        return []
    model.set_objective(built.module)
    if built.calibration is not None:
        model.set_calibration(built.calibration)
    moving = config.objective.method == "multi_target" and config.objective.curriculum.schedule != "none"
    targets = config.objective.multi_target.targets
    return [*([Curriculum(config.objective.curriculum, targets)] if moving else []), LossTrajectory(model.stage)]


def _advise_copying(settings: TIGERConfig, dataset: RecDataset, stage: str) -> None:
    """Say so where users return to their items and the model has not been told that it may."""
    if settings.copy or settings.exclude_history or not is_rank_zero():
        return
    share = share_of_repeats(dataset.items, dataset.offsets, dataset.train_ends, dataset.validation)
    if share >= _MANY_REPEATS:
        log.info(
            "%.1f %% of the validation targets are items that the user has had before; %s.tiger.copy=true lets the model repeat "
            "them, and exclude_history=true is for data where nobody wants to",
            100 * share,
            stage,
        )


def _start_from(base: Recommender, model: TrainedRecommender) -> None:
    """Copy the weights of `base`.

    Raises:
        InputError: if the two networks differ.
    """
    if isinstance(base, NextItem) and isinstance(model, NextItem):
        return model.start_from(base)
    compatible = (TIGER, UniGRec) if isinstance(model, UniGRec) else (TIGER,)
    if not (isinstance(model, GenerativeRecommender) and isinstance(base, compatible)):
        raise InputError(f"{model.name} cannot start from the weights of {base.name}; set pretrain.enabled=false")
    start_from(base, model, other_digits=isinstance(model, UniGRec) and isinstance(base, TIGER))
    if isinstance(base, UniGRec):
        model.take_identifiers(base)
