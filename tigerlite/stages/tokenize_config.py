"""What `tokenize` can be told: the method, how collisions are resolved, how many identifiers per item."""

from dataclasses import dataclass, field

from tigerlite.config import ConfigError, check, check_choice
from tigerlite.tokenizers import SOFT, TOKENIZERS, TRAINED
from tigerlite.tokenizers.collisions import COLLISIONS
from tigerlite.tokenizers.hierarchical import HierarchicalConfig
from tigerlite.tokenizers.imported import ImportedConfig
from tigerlite.tokenizers.letter import LetterConfig
from tigerlite.tokenizers.opq import OPQConfig
from tigerlite.tokenizers.pq import PQConfig
from tigerlite.tokenizers.random import RandomConfig
from tigerlite.tokenizers.rqkmeans import RQKMeansConfig
from tigerlite.tokenizers.rqvae_config import RQVAEConfig
from tigerlite.tokenizers.sinkhorn_rounds import SinkhornConfig
from tigerlite.tokenizers.soft_rqvae_config import SoftRQVAEConfig

ENSEMBLES = ("checkpoints", "independent")
WITHOUT_EMBEDDINGS = ("imported", "random")
BY_DISTANCE = ("nearest_free", "sinkhorn_rounds")
FOR_MEMBERS = tuple(name for name in COLLISIONS if name != "none")


@dataclass(frozen=True, kw_only=True)
class TokenizeConfig:
    """How items get their semantic ids."""

    method: str = "rqvae"
    """rqvae (trained on the embeddings), letter (the same, aligned with collaborative embeddings), soft_rqvae (mixtures of codes,
    for UniGRec), rqkmeans, pq, opq, hierarchical (fitted in closed form), random (the control) or imported (published
    identifiers)."""
    rqvae: RQVAEConfig = field(default_factory=RQVAEConfig)
    """Used by method=rqvae and method=letter."""
    letter: LetterConfig = field(default_factory=LetterConfig)
    """Used by method=letter."""
    soft_rqvae: SoftRQVAEConfig = field(default_factory=SoftRQVAEConfig)
    """Used by method=soft_rqvae."""
    imported: ImportedConfig = field(default_factory=ImportedConfig)
    """Used by method=imported."""
    rqkmeans: RQKMeansConfig = field(default_factory=RQKMeansConfig)
    """Used by method=rqkmeans."""
    pq: PQConfig = field(default_factory=PQConfig)
    """Used by method=pq."""
    opq: OPQConfig = field(default_factory=OPQConfig)
    """Used by method=opq."""
    hierarchical: HierarchicalConfig = field(default_factory=HierarchicalConfig)
    """Used by method=hierarchical."""
    random: RandomConfig = field(default_factory=RandomConfig)
    """Used by method=random."""
    collisions: str = "rank_digit"
    """For items with equal codes: rank_digit (one more level, TIGER, arXiv 2305.05065), nearest_free, random_free, first_free
    (arXiv 2601.17787), sinkhorn_rounds (LETTER, arXiv 2405.07314) or none (they share a path)."""
    sinkhorn_rounds: SinkhornConfig = field(default_factory=SinkhornConfig)
    """Used by collisions=sinkhorn_rounds."""
    max_digits: int = 256
    """Largest group of items with equal codes that rank_digit accepts (256 in MTGRec, arXiv 2504.04400)."""
    train_items_only: bool = False
    """Train on items that occur in training sequences only, as MTGRec does; all items get codes either way."""
    seed: int = 0
    """Of collisions=random_free; the methods have their own."""
    members: int = 1
    """Identifiers per item, M (15 to 25 in MTGRec, arXiv 2504.04400); 1 = the best epoch of one tokenizer."""
    ensemble: str = "checkpoints"
    """Where members > 1 come from: checkpoints (last epochs of one run, MTGRec) or independent (seeds seed, seed + 1, ...)."""
    member_interval: int = 1
    """Epochs between the members of ensemble=checkpoints (1 in MTGRec)."""

    def __post_init__(self) -> None:
        check_choice("method", self.method, tuple(TOKENIZERS))
        check_choice("collisions", self.collisions, COLLISIONS)
        check(self.max_digits >= 1, "max_digits", self.max_digits, "an integer >= 1")
        check(self.seed >= 0, "seed", self.seed, "an integer >= 0")
        if self.method == "letter":
            self.letter.check_rqvae(self.rqvae)
        self._check_members()

    def _check_members(self) -> None:
        check(self.members >= 1, "members", self.members, "an integer >= 1")
        check(self.member_interval >= 1, "member_interval", self.member_interval, "an integer >= 1")
        check_choice("ensemble", self.ensemble, ENSEMBLES)
        if self.members == 1:
            return
        check(self.method in (*TRAINED, *SOFT), "members", self.members, f"1 with method={self.method}")
        check(self.collisions in FOR_MEMBERS, "collisions", self.collisions, f"{', '.join(FOR_MEMBERS)} with members")
        if self.method in SOFT and (self.ensemble != "checkpoints" or self.collisions != "rank_digit"):
            raise ConfigError(
                f"members={self.members} of method={self.method} are the last epochs of one run, told apart by a digit; set "
                f"ensemble=checkpoints and collisions=rank_digit, not {self.ensemble} and {self.collisions}"
            )
        if self.method in TRAINED and self.ensemble == "checkpoints" and self.rqvae.patience:
            raise ConfigError(
                f"members={self.members} of ensemble=checkpoints are the last epochs of a run of known length, but "
                f"rqvae.patience={self.rqvae.patience} may end it early; set rqvae.patience=0"
            )

    @property
    def unused(self) -> tuple[str, ...]:
        """Sections of the methods that were not chosen, and what only several members read."""
        used = (self.method, "rqvae") if self.method in TRAINED else (self.method,)
        others = tuple(name for name in TOKENIZERS if name not in used)
        rounds = () if self.collisions == "sinkhorn_rounds" else ("sinkhorn_rounds",)
        single = ("members", "ensemble", "member_interval") if self.members == 1 else ()
        independent = ("member_interval",) if self.members > 1 and self.ensemble == "independent" else ()
        return (*others, *rounds, *single, *independent)

    @property
    def needs_embeddings(self) -> bool:
        """Whether the stage reads item embeddings."""
        by_distance = self.method == "imported" and self.collisions in BY_DISTANCE
        return self.method not in WITHOUT_EMBEDDINGS or by_distance

    @property
    def needs_collaborative(self) -> bool:
        """Whether the stage reads collaborative item embeddings."""
        return self.method == "letter" and self.letter.alpha > 0
