"""A UniGRec that is ready for training, from the outputs of the stages before it."""

from torch.nn.functional import pad

from tigerlite.config import InputError, to_dict
from tigerlite.recommenders.soft_identifiers import SoftIdentifiers, code_table
from tigerlite.recommenders.unigrec import UniGRec
from tigerlite.stages.recommend_config import RecommendConfig
from tigerlite.stages.soft_inputs import check_trainer
from tigerlite.stages.trainer_config import TrainerConfig
from tigerlite.tokenizers.bank import TokenizerBank


def build_unigrec(
    config: RecommendConfig, bank: TokenizerBank, soft: SoftIdentifiers | None, trainer: TrainerConfig, stage: str
) -> UniGRec:
    """The model with the tokenizer's bank as its first code table.

    Raises:
        InputError: without a soft tokenizer of these items or the teacher that it distils from, or with
            a Trainer setting under which its losses are others.
    """
    if soft is None:
        raise InputError("method=unigrec needs a soft tokenizer with its items; set tokenize.method=soft_rqvae")
    if soft.n_items != bank.n_items:
        raise InputError(
            f"the soft tokenizer has embeddings of {soft.n_items} items but the bank {bank.n_items}; give those of one data set"
        )
    if config.unigrec.needs_teacher and soft.teacher is None:
        raise InputError(
            "unigrec distils from a teacher's item embeddings and got none; set teacher.enabled=true, unigrec.file, or both "
            "distillation weights to 0"
        )
    check_trainer(trainer)
    teacher = None if soft.teacher is None else pad(soft.teacher, (0, 0, 1, 0))
    return UniGRec(
        to_dict(config.tiger),
        to_dict(config.unigrec),
        code_table(bank, soft.tokenizer, config.unigrec.digits),
        soft.tokenizer,
        inputs=soft.inputs(),
        teacher=teacher,
        stage=stage,
    )
