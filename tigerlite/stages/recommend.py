"""Stage `pretrain` / `finetune`: train a generative recommender on sequences and identifiers."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from tigerlite.callbacks.early_stopping import ResumableEarlyStopping
from tigerlite.callbacks.epoch_seed import EpochSeed
from tigerlite.config import InputError, check_choice, to_dict
from tigerlite.data.datamodule import SequenceDataModule
from tigerlite.data.dataset import RecDataset
from tigerlite.distributed import is_rank_zero
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.stages.trainer import BEST, Context, build_trainer, fit
from tigerlite.tokenizers.bank import TokenizerBank

VERSION = 1
TRAINS = True


@dataclass(frozen=True, kw_only=True)
class RecommendConfig:
    """Which recommender to train, and how."""

    enabled: bool = True
    """Whether the pipeline runs this stage."""
    method: str = "tiger"
    """tiger."""
    tiger: TIGERConfig = field(default_factory=TIGERConfig)

    def __post_init__(self) -> None:
        check_choice("method", self.method, ("tiger",))

    def with_seed(self, seed: int) -> "RecommendConfig":
        """The same config with another seed."""
        return replace(self, tiger=replace(self.tiger, seed=seed))


def run(
    config: RecommendConfig,
    dataset: RecDataset,
    bank: TokenizerBank,
    base: TIGER | None = None,
    *,
    out: Path,
    context: Context | None = None,
) -> TIGER | None:
    """Train, keep the checkpoint with the best validation NDCG@10 and write it to `out`.

    Args:
        config: what to train.
        dataset: sequences.
        bank: identifiers of the same catalogue.
        base: a trained recommender whose weights to start from.
        out: folder; an interrupted run's `last.ckpt` in it is continued.
        context: Trainer settings and tracker.

    Returns:
        The trained model on the first process, None on the others (they load it once the folder is complete).

    Raises:
        InputError: if bank and dataset have different catalogues.
    """
    if bank.n_items != dataset.n_items:
        raise InputError(
            f"the bank has {bank.n_items} items but the data set {dataset.n_items}; tokenize this data set"
        )
    context = context or Context()
    settings = config.tiger
    stage = context.stage or "finetune"
    torch.manual_seed(settings.seed)
    model = TIGER(to_dict(settings), bank, stage=stage)
    if base is not None:
        _start_from(base, model)
    monitor = f"{stage}/{TIGER.monitor}"
    callbacks = [EpochSeed(settings.seed)]
    if settings.patience:
        callbacks.append(ResumableEarlyStopping(monitor, patience=settings.patience, mode="max"))
    epochs = context.trainer.epochs(settings.epochs)
    trainer = build_trainer(
        context,
        stage=stage,
        folder=out,
        epochs=epochs,
        callbacks=callbacks,
        monitor=monitor,
        mode="max",
        clip=settings.optimizer.clip,
        validate_every=min(settings.validate_every, epochs),
    )
    data = SequenceDataModule(
        dataset,
        batch_size=settings.batch_size,
        max_history=settings.max_history,
        seed=settings.seed,
        n_validation_users=settings.n_validation_users,
        all_prefixes=settings.is_causal,
    )
    fit(trainer, model, out, data)
    if not is_rank_zero():
        return None
    checkpoint = torch.load(out / BEST, weights_only=True, map_location="cpu")
    model.load_state_dict(checkpoint["state_dict"])
    model.cpu().save(out)
    return load(out)


def _start_from(base: TIGER, model: TIGER) -> None:
    """Copy the weights of `base`.

    Raises:
        InputError: if the two networks differ.
    """
    ours, theirs = ({name: tuple(value.shape) for name, value in t.t5.state_dict().items()} for t in (model, base))
    if ours != theirs:
        different = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
        raise InputError(
            f"the network to start from differs in {len(different)} weights ({different[0]}, ...); give pretrain.tiger and "
            "finetune.tiger the same t5 sizes and user_token"
        )
    model.t5.load_state_dict(base.t5.state_dict())


def load(folder: Path) -> TIGER:
    """The trained model in a finished folder."""
    return TIGER.load(folder)
