"""What `pretrain`, `finetune` and `teacher` can be told: which recommender, its objective, which identifiers."""

from dataclasses import dataclass, field
from pathlib import Path

from tigerlite.config import ConfigError, check_choice
from tigerlite.recommenders import KINDS
from tigerlite.recommenders.baselines.itemknn import ItemKNNConfig
from tigerlite.recommenders.nextitem_config import NextItemConfig
from tigerlite.recommenders.tiger_config import TIGERConfig
from tigerlite.recommenders.unigrec_config import UniGRecConfig
from tigerlite.stages.member_choice import IdentifiersConfig
from tigerlite.stages.objective_config import ObjectiveConfig

METHODS = tuple(KINDS)
GENERATIVE = ("tiger", "unigrec")


@dataclass(frozen=True, kw_only=True)
class RecommendConfig:
    """Which recommender to train, and how."""

    enabled: bool = True
    """Whether the pipeline runs this stage."""
    method: str = "tiger"
    """tiger (generative, reads identifiers), unigrec (reads mixtures of codes, trains the tokenizer too), nextitem (SASRec,
    GRU4Rec, ...: scores items), itemknn, recent or popularity."""
    tiger: TIGERConfig = field(default_factory=TIGERConfig)
    """Used by method=tiger and method=unigrec."""
    unigrec: UniGRecConfig = field(default_factory=UniGRecConfig)
    """Used by method=unigrec."""
    nextitem: NextItemConfig = field(default_factory=NextItemConfig)
    """Used by method=nextitem."""
    itemknn: ItemKNNConfig = field(default_factory=ItemKNNConfig)
    """Used by method=itemknn."""
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """How method=tiger and method=unigrec weight the tokens of a target."""
    identifiers: IdentifiersConfig = field(default_factory=IdentifiersConfig)
    """Which of several identifiers per item method=tiger trains on."""

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        if self.objective.method == "cft" and not (self.tiger.user_token or self.tiger.eos):
            raise ConfigError("objective.method=cft reads an empty history, which needs tiger.user_token=true")
        if self.tiger.copy and self.method == "tiger" and self.objective.moves_states is not None:
            raise ConfigError(
                f"{self.objective.moves_states} subtracts or scales the decoder's states, which moves no bonus on logits; set "
                "tiger.copy=false"
            )
        if self.identifiers.use != "primary" and self.method != "tiger":
            raise ConfigError(f"identifiers.use={self.identifiers.use} needs method=tiger, not {self.method}")
        if self.method == "unigrec":
            self.unigrec.check_tiger(self.tiger)
            if self.objective.method == "igd" and self.unigrec.train_tokenizer:
                raise ConfigError(
                    "objective.method=igd calibrates decoding on fixed identifiers; set unigrec.train_tokenizer=false"
                )

    @property
    def unused(self) -> tuple[str, ...]:
        """Sections of the methods that were not chosen (some have none); objective and identifiers where they are plain."""
        used = (self.method, "tiger") if self.method in GENERATIVE else (self.method,)
        others = tuple(name for name in METHODS if hasattr(self, name) and name not in used)
        plain = () if self.weights_tokens else ("objective",)
        return (*others, *plain, *(("identifiers",) if self.identifiers.use == "primary" else ()))

    @property
    def weights_tokens(self) -> bool:
        """Whether training has another objective than plain cross-entropy."""
        return self.method in GENERATIVE and self.objective.method != "plain"

    @property
    def needs_embeddings(self) -> bool:
        """Whether the objective's weights are fitted from item embeddings."""
        return self.weights_tokens and self.objective.needs_embeddings

    @property
    def saved_weights(self) -> Path | None:
        """Folder of the objective's weights where they are not fitted."""
        return self.objective.weights if self.weights_tokens else None

    @property
    def needs_identifiers(self) -> bool:
        """Whether the method reads semantic ids."""
        return self.method in GENERATIVE

    @property
    def needs_teacher(self) -> bool:
        """Whether it distils from a teacher's item embeddings."""
        return self.enabled and self.method == "unigrec" and self.unigrec.needs_teacher
