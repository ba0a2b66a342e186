"""What a soft RQ-VAE can be told: network, codebooks, temperature, length of training."""

from dataclasses import dataclass

from tigerlite.config import check, check_choice

NORMALISATIONS = ("unit", "standardise", "none")
SCHEDULES = ("linear", "cosine", "exponential", "constant")


@dataclass(frozen=True, kw_only=True)
class SoftRQVAEConfig:
    """UniGRec's tokenizer (arXiv 2601.17438) and its training."""

    normalise: str = "unit"
    """What is done to embeddings first: unit (each to length 1, what the temperatures are made for), standardise (centred,
    average variance 1) or none (UniGRec, whose encoder gives unit length)."""
    hidden_sizes: tuple[int, ...] = (512, 256, 128, 64)
    """Widths between input and latent; the decoder mirrors them (UniGRec)."""
    latent: int = 32
    """Width of latent and codebooks (UniGRec)."""
    codebook_sizes: tuple[int, ...] = (256, 256, 256)
    """Codes per level (UniGRec)."""
    tau_max: float = 0.01
    """Temperature that training begins with (.01 in the released code, up to .05 in the paper)."""
    tau_min: float = 0.0007
    """Temperature that it ends with, which is stored and stays (.001 in UniGRec). On MiniLM embeddings .001 leaves mixtures of
    several codes on office, .0003 empties the first level; Yelp needs schedule=exponential, lr=3e-4, hold=.1 and 5e-5
    (docs/results/unigrec.md)."""
    schedule: str = "linear"
    """From one to the other: linear (UniGRec), cosine, exponential, or constant (tau_min all along)."""
    anneal_per: str = "step"
    """How often the temperature moves: step (the paper) or epoch (its code)."""
    hold: float = 0.5
    """Share of training, at its end, at tau_min. 0 in the paper and its code, where learning rate and temperature reach their
    ends together; only steps taken at tau_min bring mixtures to a code (`soft_agreement.py`, docs/results/unigrec.md)."""
    uniformity_weight: float = 1e-4
    """Weight of codeword uniformity, a sum over levels (1e-4 in the paper; the released code has 1e-4 of their mean); 0 = off."""
    epochs: int = 500
    """Training epochs (3,000 in the released code); the last one is kept, since losses at different temperatures do not
    compare."""
    batch_size: int = 1024
    """Items per optimizer step over all processes (UniGRec)."""
    lr: float = 1e-3
    """Peak learning rate of AdamW (UniGRec), linear to 0 after the warm-up."""
    warmup_epochs: float = 10.0
    """Linear warm-up (50 of 3,000 epochs in UniGRec)."""
    weight_decay: float = 1e-4
    """Decoupled weight decay (UniGRec)."""
    clip: float = 1.0
    """Gradient-norm clipping (UniGRec); 0 = off."""
    seed: int = 0
    """Initialisation, k-means and order."""

    def __post_init__(self) -> None:
        for field in ("hidden_sizes", "codebook_sizes"):
            sizes = getattr(self, field)
            check(all(size >= 1 for size in sizes), field, list(sizes), "integers >= 1")
        check(len(self.codebook_sizes) >= 1, "codebook_sizes", list(self.codebook_sizes), "at least one level")
        for field in ("latent", "epochs", "batch_size"):
            check(getattr(self, field) >= 1, field, getattr(self, field), "an integer >= 1")
        check(0 <= self.hold < 1, "hold", self.hold, "a number in [0, 1)")
        for field in ("tau_min", "lr"):
            check(getattr(self, field) > 0, field, getattr(self, field), "a number > 0")
        for field in ("uniformity_weight", "warmup_epochs", "weight_decay", "clip"):
            check(getattr(self, field) >= 0, field, getattr(self, field), "a number >= 0")
        if self.schedule != "constant":
            check(self.tau_max >= self.tau_min, "tau_max", self.tau_max, f"a number >= tau_min={self.tau_min}")
        check(self.seed >= 0, "seed", self.seed, "an integer >= 0")
        check_choice("normalise", self.normalise, NORMALISATIONS)
        check_choice("schedule", self.schedule, SCHEDULES)
        check_choice("anneal_per", self.anneal_per, ("step", "epoch"))

    @property
    def unused(self) -> tuple[str, ...]:
        """What a constant temperature does not read."""
        return ("tau_max", "anneal_per", "hold") if self.schedule == "constant" else ()
