"""What a next-item recommender can be told: network, loss, length of training."""

from dataclasses import dataclass, field
from typing import Any

from tigerlite.config import check, check_choice
from tigerlite.data.item_features import FeaturesConfig
from tigerlite.optim import OptimizerConfig
from tigerlite.recommenders.baselines import NETWORKS, READ_FEATURES
from tigerlite.recommenders.baselines.bert4rec import BERT4RecConfig
from tigerlite.recommenders.baselines.caser import CaserConfig
from tigerlite.recommenders.baselines.fdsa import FDSAConfig
from tigerlite.recommenders.baselines.fmlp import FMLPConfig
from tigerlite.recommenders.baselines.gru4rec import GRU4RecConfig
from tigerlite.recommenders.baselines.hgn import HGNConfig
from tigerlite.recommenders.baselines.hstu import HSTUConfig
from tigerlite.recommenders.baselines.s3rec import S3RecConfig
from tigerlite.recommenders.baselines.sasrec import SASRecConfig

LOSSES = ("ce", "sampled_ce", "bce", "gbce")
OBJECTIVES = ("next_item", "self_supervised")


@dataclass(frozen=True, kw_only=True)
class NextItemConfig:
    """Network, loss and training length of a next-item recommender."""

    network: str = "sasrec"
    """sasrec, gru4rec, bert4rec, caser, hgn, fmlp, hstu, fdsa or s3rec."""
    sasrec: SASRecConfig = field(default_factory=SASRecConfig)
    """Used by network=sasrec."""
    gru4rec: GRU4RecConfig = field(default_factory=GRU4RecConfig)
    """Used by network=gru4rec."""
    bert4rec: BERT4RecConfig = field(default_factory=BERT4RecConfig)
    """Used by network=bert4rec."""
    caser: CaserConfig = field(default_factory=CaserConfig)
    """Used by network=caser."""
    hgn: HGNConfig = field(default_factory=HGNConfig)
    """Used by network=hgn."""
    fmlp: FMLPConfig = field(default_factory=FMLPConfig)
    """Used by network=fmlp."""
    hstu: HSTUConfig = field(default_factory=HSTUConfig)
    """Used by network=hstu."""
    fdsa: FDSAConfig = field(default_factory=FDSAConfig)
    """Used by network=fdsa."""
    s3rec: S3RecConfig = field(default_factory=S3RecConfig)
    """Used by network=s3rec."""
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    """What is read of the items themselves: by network=fdsa, and by network=s3rec with objective=self_supervised."""
    objective: str = "next_item"
    """next_item, or self_supervised: S3-Rec's pre-training, which has losses of its own (stage `pretrain`)."""
    loss: str = "ce"
    """ce (softmax over the catalogue), sampled_ce (over negatives that a step shares, logQ-corrected), bce, or gbce
    (gSASRec, arXiv 2308.07192)."""
    n_negatives: int = 256
    """Negatives per target of bce and gbce (1 in SASRec, 256 in gSASRec), per step of sampled_ce; ce has none."""
    gbce_t: float = 0.75
    """Calibration of gbce, 0 = bce, 1 = softmax-like (.75 in gSASRec)."""
    label_smoothing: float = 0.0
    """Mass of the target spread over the catalogue; loss=ce only."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Peak rate 1e-3 as in SASRec. Cosine and decay are those of every trained recommender: on office, validation NDCG@10
    did not tell them from a constant rate or from no decay (one seed, differences within a standard error)."""
    epochs: int = 30
    """Training epochs; every training target once in each."""
    batch_size: int = 256
    """Training targets per optimiser step over all processes; 256 as in TIGER, so that updates compare."""
    max_history: int = 50
    """T, most recent items that the network reads (50 in SASRec)."""
    exclude_history: bool = False
    """Whether validation leaves out the items of the history; set it as `evaluate.exclude_history` is set."""
    n_validation_users: int = 10_000
    """Users that select the checkpoint (a seeded draw; all where there are fewer)."""
    validate_every: int = 1
    """Epochs between validations; the last epoch is validated too."""
    patience: int = 0
    """Stop after this many validations without a better NDCG@10; 0 = never."""
    seed: int = 0
    """Initialisation, data order, dropout and negatives."""

    def __post_init__(self) -> None:
        check_choice("network", self.network, tuple(NETWORKS))
        check_choice("loss", self.loss, LOSSES)
        check_choice("objective", self.objective, OBJECTIVES)
        trained = self.objective == "next_item" or self.network == "s3rec"
        check(trained, "objective", self.objective, f"next_item with network={self.network}; set network=s3rec")
        if self.network in ("caser", "hgn"):
            fits = f"at most max_history={self.max_history}, the items that are read"
            check(self.section.window <= self.max_history, f"{self.network}.window", self.section.window, fits)
        check(self.n_negatives >= 1, "n_negatives", self.n_negatives, "an integer >= 1")
        check(0 <= self.gbce_t <= 1, "gbce_t", self.gbce_t, "a number in [0, 1]")
        check(0 <= self.label_smoothing < 1, "label_smoothing", self.label_smoothing, "a number in [0, 1)")
        smooth = self.label_smoothing == 0 or self.loss == "ce"
        check(smooth, "label_smoothing", self.label_smoothing, f"0 with loss={self.loss}; set loss=ce")
        check(self.epochs >= 1, "epochs", self.epochs, "an integer >= 1")
        check(self.batch_size >= 1, "batch_size", self.batch_size, "an integer >= 1")
        check(self.max_history >= 1, "max_history", self.max_history, "an integer >= 1")
        check(self.n_validation_users >= 1, "n_validation_users", self.n_validation_users, "an integer >= 1")
        check(self.validate_every >= 1, "validate_every", self.validate_every, "an integer >= 1")
        check(self.patience >= 0, "patience", self.patience, "an integer >= 0")

    @property
    def unused(self) -> tuple[str, ...]:
        """Sections of the networks that were not chosen, and what the chosen one does not look at."""
        others = tuple(name for name in NETWORKS if name != self.network)
        return (
            *others,
            *(() if self.reads_features else ("features",)),
            *(() if self.network == "s3rec" else ("objective",)),
            *(("loss", "n_negatives", "gbce_t", "label_smoothing") if self.objective == "self_supervised" else ()),
        )

    @property
    def section(self) -> Any:
        """The section of the chosen network."""
        return vars(self)[self.network]

    @property
    def reads_features(self) -> bool:
        """Whether training needs the features of the items."""
        return self.network in READ_FEATURES or self.objective == "self_supervised"

    @property
    def reads_times(self) -> bool:
        """Whether the network looks at the times of interactions, where there are any."""
        return self.network == "hstu" and self.hstu.time_bias
