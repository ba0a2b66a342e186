"""The Trainer and the data of a recommender, whatever it is: epochs, checkpoints, early stopping, batches."""

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import Callback

from tigerlite.callbacks.early_stopping import ResumableEarlyStopping
from tigerlite.callbacks.epoch_seed import EpochSeed
from tigerlite.callbacks.kept_epochs import KeptEpochs
from tigerlite.data.datamodule import SequenceDataModule
from tigerlite.data.dataset import RecDataset
from tigerlite.recommenders.nextitem_config import NextItemConfig
from tigerlite.recommenders.tiger_config import TIGERConfig
from tigerlite.recommenders.training import TrainedRecommender
from tigerlite.stages.trainer import build_trainer, fit
from tigerlite.stages.trainer_config import Context


def train_recommender(
    model: TrainedRecommender,
    settings: TIGERConfig | NextItemConfig,
    dataset: RecDataset,
    out: Path,
    context: Context,
    more: Sequence[Callback],
) -> None:
    """Train `model` on the training parts of the sequences; `out` then holds the checkpoint that validation chose.

    Args:
        model: trained in place.
        settings: epochs, batch, history, validation and optimizer; the section of the config that the model was built from.
        dataset: the sequences.
        out: folder; an interrupted run's `last.ckpt` in it is continued.
        context: Trainer settings and tracker.
        more: callbacks of the method.
    """
    monitor = f"{model.stage}/{model.monitor}"
    callbacks = [EpochSeed(settings.seed), *more]
    if isinstance(settings, TIGERConfig) and settings.keep_epochs:
        callbacks.append(KeptEpochs(out, settings.keep_epochs))
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
