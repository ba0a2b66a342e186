"""Stages `pretrain`, `finetune` and `teacher`: train a recommender, generative or classic, on sequences (and identifiers)."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from tigerlite.callbacks.early_stopping import ResumableEarlyStopping
from tigerlite.callbacks.epoch_seed import EpochSeed
from tigerlite.config import InputError, check_choice, to_dict
from tigerlite.data.datamodule import SequenceDataModule
from tigerlite.data.dataset import RecDataset
from tigerlite.data.item_features import item_features
from tigerlite.data.sequences import item_counts
from tigerlite.distributed import is_rank_zero
from tigerlite.recommenders import KINDS
from tigerlite.recommenders.base import Recommender
from tigerlite.recommenders.baselines.itemknn import ItemKNN, ItemKNNConfig
from tigerlite.recommenders.baselines.popularity import Popularity
from tigerlite.recommenders.nextitem import NextItem, NextItemConfig
from tigerlite.recommenders.saved import load_recommender
from tigerlite.recommenders.teacher import FILE as TEACHER
from tigerlite.recommenders.teacher import save_teacher
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.recommenders.training import TrainedRecommender
from tigerlite.stages.trainer import BEST, Context, build_trainer, fit
from tigerlite.tokenizers.bank import TokenizerBank

VERSION = 1
TRAINS = True
METHODS = tuple(KINDS)


@dataclass(frozen=True, kw_only=True)
class RecommendConfig:
    """Which recommender to train, and how."""

    enabled: bool = True
    """Whether the pipeline runs this stage."""
    method: str = "tiger"
    """tiger (generative, reads identifiers), nextitem (SASRec, GRU4Rec, ...: scores items), itemknn or popularity."""
    tiger: TIGERConfig = field(default_factory=TIGERConfig)
    """Used by method=tiger."""
    nextitem: NextItemConfig = field(default_factory=NextItemConfig)
    """Used by method=nextitem."""
    itemknn: ItemKNNConfig = field(default_factory=ItemKNNConfig)
    """Used by method=itemknn."""

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)

    @property
    def unused(self) -> tuple[str, ...]:
        """Sections of the methods that were not chosen; popularity has none."""
        return tuple(name for name in METHODS if name not in (self.method, "popularity"))

    @property
    def needs_identifiers(self) -> bool:
        """Whether the method reads semantic ids."""
        return self.method == "tiger"

    def with_seed(self, seed: int) -> "RecommendConfig":
        """The same config with another seed everywhere."""
        return replace(self, tiger=replace(self.tiger, seed=seed), nextitem=replace(self.nextitem, seed=seed))


def run(
    config: RecommendConfig,
    dataset: RecDataset,
    bank: TokenizerBank | None = None,
    base: Recommender | None = None,
    *,
    out: Path,
    context: Context | None = None,
) -> Recommender | None:
    """Train, keep the checkpoint with the best validation NDCG@10 and write it to `out`; closed forms are counted.

    Args:
        config: what to train.
        dataset: sequences; the training part of each is all that is learnt from.
        bank: identifiers of the same catalogue, where the method reads them.
        base: a trained model whose weights to start from: a TIGER, or a next-item model of the same network.
        out: folder; an interrupted run's `last.ckpt` in it is continued.
        context: Trainer settings and tracker.

    Returns:
        The trained model on the first process, None on the others (they load it once the folder is complete).

    Raises:
        InputError: if bank and dataset have different catalogues, or weights to start from do not fit.
    """
    context = context or Context()
    if config.method in ("popularity", "itemknn"):
        if not is_rank_zero():
            return None
        closed = Popularity.fit(dataset) if config.method == "popularity" else ItemKNN.fit(dataset, config.itemknn)
        closed.save(out)
        return load(out)
    settings = config.tiger if config.method == "tiger" else config.nextitem
    stage = context.stage or "finetune"
    torch.manual_seed(settings.seed)
    if config.method == "tiger":
        model = TIGER(to_dict(settings), _checked(bank, dataset), stage=stage)
    else:
        features = item_features(dataset, settings.features) if settings.reads_features else None
        model = NextItem(to_dict(settings), item_counts(dataset), stage=stage, features=features)
    if base is not None:
        _start_from(base, model)
    _train(model, settings, dataset, out, context)
    if not is_rank_zero():
        return None
    checkpoint = torch.load(out / BEST, weights_only=True, map_location="cpu")
    model.load_state_dict(checkpoint["state_dict"])
    model.cpu().save(out)
    if isinstance(model, NextItem):
        save_teacher(out / TEACHER, model.item_embeddings[1:], dataset.item_ids)
    return load(out)


def load(folder: Path) -> Recommender:
    """The trained model in a finished folder."""
    return load_recommender(folder)


def _checked(bank: TokenizerBank | None, dataset: RecDataset) -> TokenizerBank:
    if bank is None:
        raise InputError("method=tiger needs identifiers; run the tokenize stage first")
    if bank.n_items != dataset.n_items:
        raise InputError(
            f"the bank has {bank.n_items} items but the data set {dataset.n_items}; tokenize this data set"
        )
    return bank


def _train(
    model: TrainedRecommender,
    settings: TIGERConfig | NextItemConfig,
    dataset: RecDataset,
    out: Path,
    context: Context,
) -> None:
    monitor = f"{model.stage}/{model.monitor}"
    callbacks = [EpochSeed(settings.seed)]
    if settings.patience:
        callbacks.append(ResumableEarlyStopping(monitor, patience=settings.patience, mode="max"))
    epochs = context.trainer.epochs(settings.epochs)
    trainer = build_trainer(
        context,
        stage=model.stage,
        folder=out,
        epochs=epochs,
        callbacks=callbacks,
        monitor=monitor,
        mode="max",
        clip=settings.optimizer.clip,
        validate_every=min(settings.validate_every, epochs),
        accumulate=context.trainer.accumulate,
        within_epochs=True,
    )
    data = SequenceDataModule(
        dataset,
        batch_size=settings.batch_size,
        max_history=settings.max_history,
        seed=settings.seed,
        n_validation_users=settings.n_validation_users,
        all_prefixes=model.trains_all_prefixes,
        accumulate=context.trainer.accumulate,
        with_times=model.reads_times,
    )
    fit(trainer, model, out, data)


def _start_from(base: Recommender, model: TrainedRecommender) -> None:
    """Copy the weights of `base`.

    Raises:
        InputError: if the two networks differ.
    """
    if isinstance(base, NextItem) and isinstance(model, NextItem):
        return model.start_from(base)
    if not (isinstance(base, TIGER) and isinstance(model, TIGER)):
        raise InputError(f"{model.name} cannot start from the weights of {base.name}; set pretrain.enabled=false")
    ours, theirs = ({name: tuple(value.shape) for name, value in t.t5.state_dict().items()} for t in (model, base))
    if ours != theirs:
        different = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
        raise InputError(
            f"the network to start from differs in {len(different)} weights ({different[0]}, ...); give pretrain.tiger and "
            "finetune.tiger the same t5 sizes and user_token"
        )
    model.t5.load_state_dict(base.t5.state_dict())
