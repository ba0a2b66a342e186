"""What UniGRec reads from the stages before it, and what it refuses in a pipeline."""

from collections.abc import Sequence
from pathlib import Path

import torch

from tigerlite.config import ConfigError, InputError
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.recommenders.soft_identifiers import SoftIdentifiers
from tigerlite.recommenders.teacher import load_teacher
from tigerlite.stages.recommend_config import RecommendConfig
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.stages.trainer_config import TrainerConfig
from tigerlite.tokenizers import SOFT
from tigerlite.tokenizers.collaborative import read_collaborative
from tigerlite.tokenizers.saved import load_tokenizer
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE


def check(name: str, stage: RecommendConfig, tokenize: TokenizeConfig, *, has_teacher: bool) -> None:
    """Refuse a UniGRec stage without a soft tokenizer, or with no teacher or two.

    Raises:
        ConfigError: with what to set.
    """
    if not stage.enabled or stage.method != "unigrec":
        return
    if tokenize.method not in SOFT:
        raise ConfigError(
            f"{name}.method=unigrec reads mixtures of codes, which tokenize.method={tokenize.method} was not trained for; set "
            f"tokenize.method=soft_rqvae"
        )
    if tokenize.collisions != "rank_digit":
        raise ConfigError(
            f"{name}.method=unigrec tells items with equal codes apart by a digit; set tokenize.collisions=rank_digit, not "
            f"{tokenize.collisions}"
        )
    if not stage.needs_teacher:
        return
    if has_teacher and stage.unigrec.file is not None:
        raise ConfigError(f"teacher.enabled=true and {name}.unigrec.file name two teachers; drop one")
    if not has_teacher and stage.unigrec.file is None:
        raise ConfigError(
            f"{name}.method=unigrec distils from a teacher's item embeddings and there is none; set teacher.enabled=true or "
            f"{name}.unigrec.file, or both distillation weights to 0"
        )


def check_trainer(trainer: TrainerConfig) -> None:
    """Refuse Trainer settings under which UniGRec's losses are others.

    Raises:
        ConfigError: with what to set.
    """
    if trainer.accumulate > 1:
        raise ConfigError(
            f"trainer.accumulate={trainer.accumulate} cuts batches that unigrec's losses compare as a whole; set it to 1"
        )
    precision = trainer.resolved("precision")
    if precision in ("bf16-true", "64-true"):
        raise ConfigError(
            f"trainer.precision={precision} cannot train unigrec, whose distances need float32; allowed: 32-true, bf16-mixed, "
            f"16-mixed"
        )


def soft_identifiers(
    name: str,
    stage: RecommendConfig,
    tokenizer_folder: Path,
    embeddings: ItemEmbeddings,
    item_ids: Sequence[str],
    trained_teacher: Path | None,
) -> SoftIdentifiers:
    """The tokenizer in a finished folder with its items, and the teacher where the stage `name` distils.

    Raises:
        InputError: if the folder holds another tokenizer, or the teacher is not of these items in this order.
    """
    tokenizer = load_tokenizer(tokenizer_folder)
    if not isinstance(tokenizer, SoftRQVAE):
        raise InputError(f"{tokenizer_folder} holds no soft tokenizer; set tokenize.method=soft_rqvae")
    teacher = None
    if stage.needs_teacher:
        settings = stage.unigrec
        file = trained_teacher if settings.file is None else settings.file
        if file.suffix == ".safetensors":
            teacher = load_teacher(file, item_ids).embeddings
        else:
            found = read_collaborative(
                file, item_ids, order=settings.order, ids=settings.ids, section=f"{name}.unigrec"
            )
            teacher = torch.from_numpy(found.matrix)
    return SoftIdentifiers(tokenizer, torch.from_numpy(embeddings.matrix), teacher)
