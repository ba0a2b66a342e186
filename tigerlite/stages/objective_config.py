"""The `objective` section: how a generative recommender weights the tokens of a target."""

from dataclasses import dataclass, field
from pathlib import Path

from tigerlite.callbacks.curriculum import LATE, CurriculumConfig
from tigerlite.config import ConfigError, check, check_choice
from tigerlite.losses.mixing import ORIGINAL, MultiTargetConfig
from tigerlite.losses.token_weights import (
    MEMBERS,
    CFTConfig,
    FrequencyConfig,
    FrontGreaterConfig,
    IGDConfig,
    PositionConfig,
    RankConfig,
)

METHODS = ("plain", *MEMBERS, "multi_target")
LEAST_RATE = 0.01
"""Rise over a whole training below which a linear schedule stands still."""


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """How the tokens of a target are weighted; used by method=tiger."""

    method: str = "plain"
    """plain (cross-entropy), front_greater, frequency, multi_target (arXiv 2601.17787), or its rivals rank, position, cft,
    igd. Validation is plain cross-entropy and NDCG@10 for all."""
    weights: Path | None = None
    """Folder with fitted weights (`token_weights.safetensors` and `.json`, as every training stage with weights leaves them) to
    train on instead of fitting them; they have to be of the same identifiers. null = fit them."""
    eos_weight: float = 1.0
    """Weight of EOS beside front_greater and frequency weights, where the mean code has 1; only with tiger.eos=true."""
    front_greater: FrontGreaterConfig = field(default_factory=FrontGreaterConfig)
    """Used by method=front_greater and multi_target."""
    frequency: FrequencyConfig = field(default_factory=FrequencyConfig)
    """Used by method=frequency and multi_target."""
    multi_target: MultiTargetConfig = field(default_factory=MultiTargetConfig)
    """Used by method=multi_target."""
    curriculum: CurriculumConfig = field(default_factory=CurriculumConfig)
    """Used by method=multi_target."""
    rank: RankConfig = field(default_factory=RankConfig)
    """Used by method=rank."""
    position: PositionConfig = field(default_factory=PositionConfig)
    """Used by method=position."""
    cft: CFTConfig = field(default_factory=CFTConfig)
    """Used by method=cft."""
    igd: IGDConfig = field(default_factory=IGDConfig)
    """Used by method=igd."""

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        check(self.eos_weight >= 0, "eos_weight", self.eos_weight, "a number >= 0")
        if self.weights is not None and not self.weightings:
            raise ConfigError(f"objective.weights is set, but method={self.method} reads no fitted weights; drop one")
        if self.method != "multi_target":
            return
        needed = {"exponential": {LATE}, "linear": {ORIGINAL}, "staged": {LATE, ORIGINAL, "front_greater"}}
        missing = sorted(needed.get(self.curriculum.schedule, set()) - set(self.multi_target.targets))
        if missing:
            raise ConfigError(
                f"curriculum.schedule={self.curriculum.schedule} moves weight to or from {', '.join(missing)}, which "
                f"multi_target.targets={list(self.multi_target.targets)} lacks; add it, or set schedule=none"
            )
        self._check_rates()

    def _check_rates(self) -> None:
        """Refuse rates per optimizer step, which the defaults are, where they are read per whole training."""
        curriculum, rising = self.curriculum, {ORIGINAL: "front_greater", LATE: LATE}
        if curriculum.schedule != "linear" or curriculum.unit != "fraction":
            return
        for name, needed in rising.items():
            rate = getattr(curriculum, f"{name}_rate")
            if needed in self.multi_target.targets and 0 < rate < LEAST_RATE:
                raise ConfigError(
                    f"curriculum.{name}_rate={rate:g} with unit=fraction is the rise over the whole training, which would move "
                    "nothing; give it per training (on Yelp the authors' original_rate=2.0, frequency_rate=0.8) or set unit=steps"
                )

    @property
    def weightings(self) -> tuple[str, ...]:
        """Fitted tables that are used."""
        if self.method == "multi_target":
            return tuple(target for target in self.multi_target.targets if target != ORIGINAL)
        return (self.method,) if self.method in ("front_greater", "frequency", "position", "igd") else ()

    @property
    def moves_states(self) -> str | None:
        """The setting that subtracts or scales the decoder's states, if one does."""
        if self.method in ("cft", "rank"):
            return f"objective.method={self.method}"
        scales = self.method == "multi_target" and self.multi_target.mixing == "logit_scaling"
        return "objective.multi_target.mixing=logit_scaling" if scales else None

    @property
    def needs_embeddings(self) -> bool:
        """Whether weights are fitted from item embeddings."""
        return "front_greater" in self.weightings and self.weights is None

    @property
    def unused(self) -> tuple[str, ...]:
        """Sections that the method does not read, or that only fitting reads where weights are given."""
        # Of saved weights igd still reads how decoding is calibrated.
        fitted = (self.method, *self.weightings) if self.weights is None or self.method == "igd" else ()
        used = {*fitted, *(("multi_target", "curriculum") if self.method == "multi_target" else ())}
        ends = () if used & {"front_greater", "frequency"} else ("eos_weight",)
        # Left out where it is not set, since configs were named before there was a choice.
        given = () if self.weights is not None else ("weights",)
        return (*(name for name in (*MEMBERS, "multi_target", "curriculum") if name not in used), *ends, *given)
