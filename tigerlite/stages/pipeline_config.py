"""What a run of the chain of stages can be told, and which combinations make no sense."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from tigerlite.config import ConfigError, check_choice, reseeded, to_dict
from tigerlite.stages import soft_inputs
from tigerlite.stages.calibrate import CalibrateConfig
from tigerlite.stages.encode import EncodeConfig
from tigerlite.stages.evaluate_config import EvaluateConfig
from tigerlite.stages.fuse import FuseConfig
from tigerlite.stages.prepare import PrepareConfig
from tigerlite.stages.recommend_config import GENERATIVE, RecommendConfig
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.stages.trainer_config import TrainerConfig
from tigerlite.tracking import TrackingConfig

# Which methods' weights a method can start from; the others learn none.
STARTS = {"tiger": ("tiger",), "unigrec": ("tiger", "unigrec"), "nextitem": ("nextitem",)}
# Settings of a T5 that no weight depends on.
NO_WEIGHTS = ("dropout", "relative_max_distance")
STAGES = ("prepare", "encode", "teacher", "fuse", "tokenize", "pretrain", "finetune", "calibrate", "evaluate")


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """Everything that a run is made of; sections are the stages."""

    out: Path = Path("runs/tigerlite")
    """Folder of the stage folders."""
    until: str = "evaluate"
    """Last stage to run: prepare, encode, teacher, fuse, tokenize, pretrain, finetune, calibrate or evaluate."""
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
    calibrate: CalibrateConfig = field(default_factory=CalibrateConfig)
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
        self._check_evaluation()
        self._check_starts()
        self._check_network()
        self._check_unigrec()
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

    def _check_evaluation(self) -> None:
        """Refuse rows beside the model's that the last stage which trains cannot give, before it trains."""
        name = "finetune" if self.finetune.enabled else "pretrain"
        last = getattr(self, name)
        if self.evaluate.ensemble and last.identifiers.use == "primary":
            raise ConfigError(f"evaluate.ensemble=true ranks by several members; set {name}.identifiers.use=each")
        if last.enabled and last.method not in GENERATIVE:
            asked = {
                "free_beam": ("none", self.evaluate.free_beam),
                "new_item_share": (0, self.evaluate.new_item_share),
            }
            for field, (off, value) in asked.items():
                if value != off:
                    raise ConfigError(
                        f"evaluate.{field}={value} is about identifiers, which {name}.method={last.method} does not write; set "
                        f"it to {off}"
                    )

    def _check_network(self) -> None:
        """Refuse to fine-tune what cannot take the weights of pre-training, hours before they exist."""
        base, stage = self.pretrain, self.finetune
        trains_on = base.enabled and stage.enabled and STAGES.index(self.until) >= STAGES.index("finetune")
        if not trains_on or stage.method not in STARTS:
            return
        if base.method not in STARTS[stage.method]:
            raise ConfigError(
                f"finetune.method={stage.method} cannot start from the weights of {base.method}; set pretrain.enabled=false, or "
                f"pretrain.method={stage.method}"
            )
        if stage.method not in GENERATIVE:
            return
        networks = [{**to_dict(each.tiger.t5), "user_token": each.tiger.user_token} for each in (base, stage)]
        different = [name for name in networks[0] if networks[0][name] != networks[1][name] and name not in NO_WEIGHTS]
        if different:
            raise ConfigError(
                f"pretrain.tiger and finetune.tiger are one network but differ in {', '.join(different)}; give them the same t5 "
                "sizes and user_token"
            )
        if base.method == "unigrec" and base.unigrec.digits != stage.unigrec.digits:
            raise ConfigError(
                f"finetune.unigrec.digits={stage.unigrec.digits} but pretrain.unigrec.digits={base.unigrec.digits}, which names "
                "the tokens of one network; set both alike"
            )

    def _check_unigrec(self) -> None:
        """Refuse what UniGRec could not read or train on, before its tokenizer and teacher are trained."""
        soft = [stage for stage in (self.pretrain, self.finetune) if stage.enabled and stage.method == "unigrec"]
        if not soft:
            return
        soft_inputs.check_trainer(self.trainer)
        for name in ("pretrain", "finetune"):
            soft_inputs.check(name, getattr(self, name), self.tokenize, has_teacher=self.teacher.enabled)
        if self.teacher.enabled and not any(stage.needs_teacher for stage in soft):
            raise ConfigError(
                "teacher.enabled=true but both distillation weights of unigrec are 0, so the teacher would join the tokenizer's "
                "inputs; set teacher.enabled=false, or name it in fuse.file if that is meant"
            )

    def _check_starts(self) -> None:
        """Refuse epochs to start fine-tuning from that pre-training does not keep."""
        starts, kept = self.finetune.identifiers.start_epochs, self.pretrain.tiger.keep_epochs
        missing = [epoch for epoch in starts if not self.pretrain.enabled or epoch not in kept]
        if self.finetune.enabled and missing:
            raise ConfigError(
                f"finetune.identifiers.start_epochs={list(starts)} names epoch {missing[0]}, which pre-training does not keep; "
                f"set pretrain.enabled=true and pretrain.tiger.keep_epochs={list(starts)}"
            )

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
    def calibrates(self) -> bool:
        """Whether the evaluated model gets a temperature: one that writes identifiers, unless it is one of an ensemble."""
        last = self.finetune if self.finetune.enabled else self.pretrain
        return self.calibrate.enabled and last.enabled and last.method in GENERATIVE and not self.evaluate.ensemble

    @property
    def encodes(self) -> bool:
        """Whether texts are embedded: not where their weight beside a teacher is 0, unless the call ends in doing so."""
        left_out = self.fuses and not self.fuse.text and self.until != "encode"
        return self.needs_embeddings and not left_out

    @property
    def unused(self) -> tuple[str, ...]:
        """Sections of stages that do not run."""
        off = [name for name in ("teacher", "pretrain", "finetune") if not getattr(self, name).enabled]
        return (*off, *(() if self.fuses else ("fuse",)), *(() if self.calibrates else ("calibrate",)))

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
            teacher=reseeded(self.teacher, self.seed),
            tokenize=reseeded(self.tokenize, self.seed),
            pretrain=reseeded(self.pretrain, self.seed),
            finetune=reseeded(self.finetune, self.seed),
        )
