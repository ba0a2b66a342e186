"""The chain of stages from interactions and item text to evaluated recommendations, as one call.

    interactions, text -> prepare -> encode -> [teacher -> fuse] -> tokenize -> [pretrain] -> finetune -> evaluate

A method that reads no identifiers (SASRec, item-kNN, ...) goes from prepare to finetune.

Every stage is cached in `<out>/<stage>-<fingerprint>` (artifacts.py); `<out>/run.json` names the folders of the last
finished call, which is what `Predictor.load` and `tigerlite recommend` read.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tigerlite.allocator import keep_freed_memory
from tigerlite.artifacts import Runs
from tigerlite.config import ConfigError, check_choice, to_dict
from tigerlite.data.dataset import RecDataset
from tigerlite.distributed import is_rank_zero
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.losses.token_weights.fitted import TokenWeights
from tigerlite.recommenders.base import Recommender
from tigerlite.recommenders.soft_identifiers import SoftIdentifiers
from tigerlite.recommenders.teacher import FILE as TEACHER
from tigerlite.recommenders.teacher import load_teacher
from tigerlite.run_file import write_run
from tigerlite.stages import encode, evaluate, fuse, prepare, recommend, soft_inputs, tokenize
from tigerlite.stages.encode import EncodeConfig
from tigerlite.stages.ensemble import member_ensemble
from tigerlite.stages.evaluate import EvaluateConfig, Evaluation
from tigerlite.stages.fuse import FuseConfig
from tigerlite.stages.prepare import PrepareConfig
from tigerlite.stages.recommend_config import RecommendConfig
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.stages.trainer import Context, TrainerConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.collaborative import Collaborative, read_collaborative
from tigerlite.tracking import Tracker, TrackingConfig

if TYPE_CHECKING:
    from tigerlite.data.tables import Tables

STAGES = ("prepare", "encode", "teacher", "fuse", "tokenize", "pretrain", "finetune", "evaluate")


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """Everything that a run is made of; sections are the stages."""

    out: Path = Path("runs/tigerlite")
    """Folder of the stage folders."""
    until: str = "evaluate"
    """Last stage to run: prepare, encode, teacher, fuse, tokenize, pretrain, finetune or evaluate."""
    seed: int | None = None
    """Sets the seed of the tokenizer and of the recommender at once; null leaves each section its own."""
    prepare: PrepareConfig = field(default_factory=PrepareConfig)
    encode: EncodeConfig = field(default_factory=EncodeConfig)
    teacher: RecommendConfig = field(default_factory=lambda: RecommendConfig(enabled=False, method="nextitem"))
    """A recommender whose item embeddings the identifiers are made of, beside the text; needs method=nextitem."""
    fuse: FuseConfig = field(default_factory=FuseConfig)
    """How they are joined."""
    tokenize: TokenizeConfig = field(default_factory=TokenizeConfig)
    pretrain: RecommendConfig = field(default_factory=lambda: RecommendConfig(enabled=False))
    finetune: RecommendConfig = field(default_factory=RecommendConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)

    def __post_init__(self) -> None:
        check_choice("until", self.until, STAGES)
        if self.teacher.enabled and self.teacher.method != "nextitem":
            raise ConfigError(f"teacher.method={self.teacher.method!r} has no item embeddings; set it to nextitem")
        if self.teacher.enabled and self.fuse.file is not None:
            raise ConfigError("teacher.enabled=true and fuse.file name two teachers; drop one")
        self._check_collaborative()
        self._check_ensemble()
        for name in ("pretrain", "finetune"):
            soft_inputs.check(name, getattr(self, name), self.tokenize, has_teacher=self.teacher.enabled)
        self._check_teacher_is_read()
        if self.has_teacher and not self.tokenize.needs_embeddings:
            raise ConfigError(
                f"tokenize.method={self.tokenize.method} reads no embeddings, so a teacher changes nothing; "
                "set teacher.enabled=false or tokenize.method=rqvae"
            )

    def _check_teacher_is_read(self) -> None:
        """Refuse a teacher beside models that read no identifiers, unless the call ends in making them."""
        trained = [stage for stage in (self.pretrain, self.finetune) if stage.enabled]
        if self.has_teacher and trained and not self.needs_identifiers:
            setting = "teacher.enabled=false" if self.teacher.enabled else "fuse.file=null"
            raise ConfigError(
                f"a teacher's embeddings go into identifiers, which method={trained[-1].method} does not read; set {setting}, or "
                "finetune.method=tiger"
            )

    def _check_collaborative(self) -> None:
        """Refuse LETTER without collaborative embeddings, or with those of two sources."""
        if not self.tokenize.needs_collaborative:
            return
        file = self.tokenize.letter.file
        if self.teacher.enabled and file is not None:
            raise ConfigError("teacher.enabled=true and tokenize.letter.file name two teachers; drop one")
        if not self.teacher.enabled and file is None:
            raise ConfigError(
                "tokenize.method=letter aligns codes with collaborative embeddings and there are none; set "
                "teacher.enabled=true or tokenize.letter.file, or tokenize.letter.alpha=0"
            )

    def _check_ensemble(self) -> None:
        """Refuse an ensemble where the last stage that trains makes one model of one identifier per item."""
        name = "finetune" if self.finetune.enabled else "pretrain"
        if self.evaluate.ensemble and getattr(self, name).identifiers.use == "primary":
            raise ConfigError(f"evaluate.ensemble=true ranks by several members; set {name}.identifiers.use=each")

    @property
    def has_teacher(self) -> bool:
        """Whether there is a teacher."""
        return self.teacher.enabled or self.fuse.file is not None

    @property
    def fuses(self) -> bool:
        """Whether a teacher's embeddings join those of the texts; where codes are aligned or models distilled, they do not."""
        distilled = any(stage.needs_teacher for stage in (self.pretrain, self.finetune))
        aligned = self.tokenize.needs_collaborative or distilled
        return self.fuse.file is not None or (self.teacher.enabled and not aligned)

    @property
    def encodes(self) -> bool:
        """Whether texts are embedded: not where their weight beside a teacher is 0, unless the call ends in doing so."""
        left_out = self.fuses and not self.fuse.text and self.until != "encode"
        return self.needs_embeddings and not left_out

    @property
    def unused(self) -> tuple[str, ...]:
        """Sections of stages that do not run."""
        off = [name for name in ("teacher", "pretrain", "finetune") if not getattr(self, name).enabled]
        return (*off, *(() if self.fuses else ("fuse",)))

    @property
    def needs_identifiers(self) -> bool:
        """Whether a stage up to `until` reads semantic ids, or the call ends in making them."""
        trained = [stage for stage in (self.pretrain, self.finetune) if stage.enabled]
        making = STAGES.index("prepare") < STAGES.index(self.until) < STAGES.index("pretrain")
        return making or any(stage.needs_identifiers for stage in trained)

    @property
    def needs_embeddings(self) -> bool:
        """Whether identifiers or the weights of a loss are made of item embeddings."""
        trained = [stage for stage in (self.pretrain, self.finetune) if stage.enabled]
        return self.tokenize.needs_embeddings or any(stage.needs_embeddings for stage in trained)

    def seeded(self) -> "PipelineConfig":
        """The config with `seed` written into the sections."""
        if self.seed is None:
            return self
        return replace(
            self,
            teacher=self.teacher.with_seed(self.seed),
            tokenize=self.tokenize.with_seed(self.seed),
            pretrain=self.pretrain.with_seed(self.seed),
            finetune=self.finetune.with_seed(self.seed),
        )


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
        more = _more(config.pretrain, runs, run)
        more = (None, *more) if more else ()  # it starts from no model
        base = run.model = runs.stage("pretrain", recommend, config.pretrain, run.dataset, run.bank, *more)
    if last >= STAGES.index("finetune") and config.finetune.enabled:
        more = _more(config.finetune, runs, run)
        run.model = runs.stage("finetune", recommend, config.finetune, run.dataset, run.bank, base, *more)
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
    stage: RecommendConfig, runs: Runs, run: Run
) -> tuple[ItemEmbeddings | SoftIdentifiers | TokenWeights | None, ...]:
    """What a stage reads beside identifiers and base model; without what comes after the last that it reads.

    Embeddings for its objective, UniGRec's tokenizer with items and teacher, weights of the objective that were saved.
    """
    embeddings = run.embeddings if stage.needs_embeddings else None
    soft = None
    if stage.method == "unigrec":
        folders = runs.folders
        trained = folders["teacher"] / TEACHER if "teacher" in folders else None
        soft = soft_inputs.soft_identifiers(stage, folders["tokenize"], run.embeddings, run.dataset.item_ids, trained)
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
