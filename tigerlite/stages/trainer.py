"""How a Lightning Trainer is built: the one place where hardware, progress display, logging and resuming are decided."""

import contextlib
import io
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from tigerlite.callbacks.last_validation import LastValidation
from tigerlite.callbacks.mid_epoch import MidEpochCheckpoint
from tigerlite.callbacks.plain_progress import PlainProgress
from tigerlite.callbacks.terminal_progress import TerminalProgress
from tigerlite.config import InputError
from tigerlite.stages.trainer_config import Context, TrainerConfig
from tigerlite.tracking import FILE, Tracker, append_metrics

LAST = "last.ckpt"
BEST = "best.ckpt"
IRRELEVANT = (
    # Batches are gathered from arrays in memory: workers would only copy them.
    ".*does not have many workers.*",
    # The folder holds what an interrupted run left.
    ".*Checkpoint directory .* exists and is not empty.*",
    # Epochs before the first validation have nothing to be chosen by.
    ".*could not find the monitored key.*",
    # The choice of hardware is the user's.
    ".*GPU available but not used.*",
    # Lightning's own use of torch.
    ".*LeafSpec.* is deprecated.*",
)

for noisy in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(noisy).setLevel(logging.WARNING)


def build_trainer(
    context: Context | None,
    *,
    stage: str,
    folder: Path,
    epochs: int,
    callbacks: Sequence[Callback] = (),
    monitor: str | None = None,
    mode: str = "min",
    clip: float = 0.0,
    validate_every: int = 1,
    accumulate: int = 1,
    within_epochs: bool = False,
) -> Trainer:
    """A Trainer that writes `best.ckpt` (by `monitor`) and `last.ckpt` into `folder` after every training epoch.

    Run it with `fit`; `epochs` is the number that `TrainerConfig.epochs` allows.

    Args:
        validate_every: epochs between validations; the last epoch is validated too.
        accumulate: passes per optimizer step; the data must be split into as many.
        within_epochs: write `last.ckpt` inside epochs too; data and module must be able to go on at any batch. The logged
            training loss of an epoch that was interrupted is the mean over the batches since.
    """
    context = context or Context()
    config = context.trainer
    checkpoints: list[Callback] = [_checkpoint(folder, BEST, monitor, mode), _checkpoint(folder, LAST, None, "min")]
    if within_epochs and config.checkpoint_minutes:
        checkpoints.append(MidEpochCheckpoint(folder.absolute() / LAST, config.checkpoint_minutes))
    show = config.progress and sys.stdout.isatty()
    with building(config):
        return Trainer(
            accelerator=config.resolved("accelerator"),
            devices=config.resolved("devices"),
            strategy=config.resolved("strategy"),
            num_nodes=config.resolved("num_nodes"),
            precision=config.resolved("precision"),
            max_epochs=epochs,
            callbacks=[
                LastValidation(),
                *callbacks,
                *checkpoints,
                TerminalProgress(stage) if show else PlainProgress(stage),
            ],
            logger=_StageLogger(stage, folder, context.tracker),
            plugins=[_WholeCheckpoints()],
            gradient_clip_val=clip or None,
            accumulate_grad_batches=accumulate,
            num_sanity_val_steps=0,
            check_val_every_n_epoch=validate_every,
            use_distributed_sampler=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            log_every_n_steps=1,
            default_root_dir=folder,
        )


def _checkpoint(folder: Path, file: str, monitor: str | None, mode: str) -> ModelCheckpoint:
    """Keeps one file: the best by `monitor`, or the latest. (`save_last` would write the latest only when it is the best.)

    Saving at the end of the *training* epoch, when validation has run, makes a resumed run start with a whole epoch.
    """
    return ModelCheckpoint(
        dirpath=folder.absolute(),  # Lightning forgets the best score where the path reads differently
        filename=file.removesuffix(".ckpt"),
        monitor=monitor,
        mode=mode,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def fit(
    trainer: Trainer, module: LightningModule, folder: Path, data: LightningDataModule | Iterable[Any] | None = None
) -> None:
    """Train; a run that was interrupted is continued from the `last.ckpt` it left in `folder`."""
    last = folder / LAST
    with running():
        trainer.fit(module, data, ckpt_path=last if last.exists() else None, weights_only=True)


@contextlib.contextmanager
def building(config: TrainerConfig) -> Iterator[None]:
    """Turn Lightning's complaints about hardware that is not there into one line."""
    try:
        yield
    except (MisconfigurationException, ImportError, ValueError) as error:
        asked = ", ".join(
            f"{name}={config.resolved(name)}" for name in ("accelerator", "devices", "strategy", "precision")
        )
        raise InputError(f"trainer settings ({asked}) cannot be used here: {str(error).splitlines()[0]}") from None


@contextlib.contextmanager
def running() -> Iterator[None]:
    """Run a Trainer without advice that does not apply; Ctrl-C arrives as KeyboardInterrupt."""
    handler = signal.getsignal(signal.SIGINT)
    with warnings.catch_warnings():
        for message in IRRELEVANT:
            warnings.filterwarnings("ignore", message)
        try:
            yield
        except SystemExit:
            # Lightning answers Ctrl-C by ignoring further ones and exiting with code 1, which would hide the cause.
            signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt from None


class _WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint aside and renames it, so that a kill or a full disk leaves the one before.

    Lightning's own goes through the system's temporary folder: where that is another file system, it is copied into its
    place and may end as half a file.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write one file whole or not at all."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(path.name + ".aside")
        try:
            aside.write_bytes(content.getbuffer())
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)


class _StageLogger(Logger):
    """Writes Lightning's scalars into the stage's folder (its learning curves) and to the pipeline's tracker."""

    def __init__(self, stage: str, folder: Path, tracker: Tracker | None) -> None:
        super().__init__()
        self._stage = stage
        self._folder = folder
        self._tracker = tracker

    @property
    def name(self) -> str:
        return self._stage

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Configs are in provenance.json and in the run's settings."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        append_metrics(self._folder / FILE, self._stage, metrics, step or 0)
        if self._tracker is not None:
            self._tracker.log(self._stage, metrics, step or 0)
