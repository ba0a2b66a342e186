"""The chain of stages from interactions and item text to evaluated recommendations, as one call.

    interactions, text -> prepare -> encode -> [teacher -> fuse] -> tokenize -> [pretrain] -> finetune -> [calibrate] -> evaluate

A method that reads no identifiers (SASRec, item-kNN, ...) goes from prepare to finetune.

Every stage is cached in `<out>/<stage>-<fingerprint>` (artifacts.py); `<out>/run.json` names the folders of the last
finished call, which is what `Predictor.load` and `tigerlite recommend` read.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tigerlite.allocator import keep_freed_memory
from tigerlite.artifacts import Runs
from tigerlite.config import ConfigError, to_dict
from tigerlite.data.dataset import RecDataset
from tigerlite.distributed import is_rank_zero
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.losses.token_weights.fitted import TokenWeights
from tigerlite.recommenders.base import Recommender
from tigerlite.recommenders.soft_identifiers import SoftIdentifiers
from tigerlite.recommenders.teacher import FILE as TEACHER
from tigerlite.recommenders.teacher import load_teacher
from tigerlite.run_file import write_run
from tigerlite.stages import calibrate, encode, evaluate, fuse, prepare, recommend, soft_inputs, tokenize
from tigerlite.stages.ensemble import member_ensemble
from tigerlite.stages.evaluate import Evaluation
from tigerlite.stages.kept_models import kept_models
from tigerlite.stages.pipeline_config import STAGES, PipelineConfig
from tigerlite.stages.recommend_config import RecommendConfig
from tigerlite.stages.trainer_config import Context
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.collaborative import Collaborative, read_collaborative
from tigerlite.tracking import Tracker

if TYPE_CHECKING:
    from tigerlite.data.tables import Tables


@dataclass
class Run:
    """The artifacts of a pipeline call, as far as it went."""

    out: Path
    dataset: RecDataset
    embeddings: ItemEmbeddings | None = None
    bank: TokenizerBank | None = None
    model: Recommender | None = None
    evaluation: Evaluation | None = None
    folders: dict[str, Path] = field(default_factory=dict)
    built: list[str] = field(default_factory=list)
    """Stages that this call made; the others were finished, or another job made them."""


def train(config: PipelineConfig, tables: "Tables | None" = None) -> Run:
    """Run the chain; finished stages are loaded, everything after the first change is built.

    Args:
        config: the run.
        tables: interactions and items given as frames instead of files (`tigerlite.data.readers.tabular.tables_from_frames`).
    """
    config = config.seeded()
    keep_freed_memory()
    tracker = Tracker(config.out, config.tracking, to_dict(config))
    runs = Runs(config.out, Context(trainer=config.trainer, tracker=tracker))
    try:
        result = _chain(config, runs, tables)
        result.built = [name for name in runs.folders if name not in runs.found]
        for name in runs.found:
            tracker.replay(name, runs.folders[name])
    finally:
        tracker.finish()
    if is_rank_zero():
        write_run(config.out, runs.folders)
    return result


def _chain(config: PipelineConfig, runs: Runs, tables: "Tables | None") -> Run:
    last = STAGES.index(config.until)
    if config.until == "evaluate" and not (config.pretrain.enabled or config.finetune.enabled):
        raise ConfigError(
            "nothing is trained, so nothing can be evaluated; set finetune.enabled=true or --until=tokenize"
        )
    source = prepare.source(config.prepare, tables)
    run = Run(config.out, runs.stage("prepare", prepare, config.prepare, source), folders=runs.folders)
    if config.needs_identifiers:
        _identify(config, runs, run, last)
    base = None
    if last >= STAGES.index("pretrain") and config.pretrain.enabled:
        more = _more("pretrain", config.pretrain, runs, run)
        more = (None, *more) if more else ()  # it starts from no model
        base = run.model = runs.stage("pretrain", recommend, config.pretrain, run.dataset, run.bank, *more)
    if last >= STAGES.index("finetune") and config.finetune.enabled:
        more = _more("finetune", config.finetune, runs, run)
        starts = config.finetune.identifiers.start_epochs
        base = kept_models(runs.folders["pretrain"], starts) if starts else base
        run.model = runs.stage("finetune", recommend, config.finetune, run.dataset, run.bank, base, *more)
    if last >= STAGES.index("calibrate") and config.calibrates:
        run.model = runs.stage("calibrate", calibrate, config.calibrate, run.dataset, run.model)
    if last >= STAGES.index("evaluate"):
        trained = runs.folders["finetune" if config.finetune.enabled else "pretrain"]
        together = (member_ensemble(run.model, trained),) if config.evaluate.ensemble else ()
        run.evaluation = runs.stage("evaluate", evaluate, config.evaluate, run.dataset, run.model, *together)
        runs.context.tracker.summary(run.evaluation.metrics[run.model.name])
    return run


def _identify(config: PipelineConfig, runs: Runs, run: Run, last: int) -> None:
    """From item texts to semantic ids."""
    if last >= STAGES.index("encode") and config.encodes:
        run.embeddings = runs.stage("encode", encode, config.encode, run.dataset, encode.source(config.encode))
    if last >= STAGES.index("teacher") and config.teacher.enabled:
        runs.stage("teacher", recommend, config.teacher, run.dataset)
    if last >= STAGES.index("fuse") and config.fuses:
        file = config.fuse.file or runs.folders["teacher"] / TEACHER
        teacher = load_teacher(file, run.dataset.item_ids)
        run.embeddings = runs.stage("fuse", fuse, config.fuse, run.embeddings, run.dataset, teacher)
    if last >= STAGES.index("tokenize"):
        inputs = [run.embeddings, run.dataset, tokenize.source(config.tokenize)]
        if config.tokenize.needs_collaborative:
            inputs.append(_collaborative(config, runs, run.dataset))
        run.bank = runs.stage("tokenize", tokenize, config.tokenize, *inputs)


def _more(
    name: str, stage: RecommendConfig, runs: Runs, run: Run
) -> tuple[ItemEmbeddings | SoftIdentifiers | TokenWeights | None, ...]:
    """What a stage reads beside identifiers and base model; without what comes after the last that it reads.

    Embeddings for its objective, UniGRec's tokenizer with items and teacher, weights of the objective that were saved.
    """
    embeddings = run.embeddings if stage.needs_embeddings else None
    soft = None
    if stage.method == "unigrec":
        folders = runs.folders
        trained = folders["teacher"] / TEACHER if "teacher" in folders else None
        soft = soft_inputs.soft_identifiers(
            name, stage, folders["tokenize"], run.embeddings, run.dataset.item_ids, trained
        )
    weights = None if stage.saved_weights is None else TokenWeights.read(stage.saved_weights)
    inputs = [embeddings, soft, weights]
    while inputs and inputs[-1] is None:
        inputs.pop()
    return tuple(inputs)


def _collaborative(config: PipelineConfig, runs: Runs, dataset: RecDataset) -> Collaborative:
    """What LETTER aligns codes with: the teacher's item embeddings, or those in a file."""
    letter = config.tokenize.letter
    file = runs.folders["teacher"] / TEACHER if letter.file is None else letter.file
    if file.suffix == ".safetensors":
        return Collaborative(load_teacher(file, dataset.item_ids).embeddings.numpy())
    return read_collaborative(file, dataset.item_ids, order=letter.order, ids=letter.ids)
