"""What a next-item recommender can be told: network, loss, length of training."""

from dataclasses import dataclass, field

from tigerlite.config import check, check_choice
from tigerlite.optim import OptimizerConfig
from tigerlite.recommenders.baselines import NETWORKS
from tigerlite.recommenders.baselines.gru4rec import GRU4RecConfig
from tigerlite.recommenders.baselines.sasrec import SASRecConfig

LOSSES = ("ce", "sampled_ce", "bce", "gbce")


@dataclass(frozen=True, kw_only=True)
class NextItemConfig:
    """Network, loss and training length of a next-item recommender."""

    network: str = "sasrec"
    """sasrec or gru4rec."""
    sasrec: SASRecConfig = field(default_factory=SASRecConfig)
    """Used by network=sasrec."""
    gru4rec: GRU4RecConfig = field(default_factory=GRU4RecConfig)
    """Used by network=gru4rec."""
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
    """Epochs between validations."""
    patience: int = 0
    """Stop after this many validations without a better NDCG@10; 0 = never."""
    seed: int = 0
    """Initialisation, data order, dropout and negatives."""

    def __post_init__(self) -> None:
        check_choice("network", self.network, tuple(NETWORKS))
        check_choice("loss", self.loss, LOSSES)
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
        """Sections of the networks that were not chosen."""
        return tuple(name for name in NETWORKS if name != self.network)

    @property
    def section(self) -> SASRecConfig | GRU4RecConfig:
        """The section of the chosen network."""
        return {"sasrec": self.sasrec, "gru4rec": self.gru4rec}[self.network]
