"""What an RQ-VAE can be told: network, codebooks, length of training."""

from dataclasses import dataclass

from tigerlite.config import ConfigError, check, check_choice
from tigerlite.tokenizers.assignment import ASSIGNMENTS
from tigerlite.tokenizers.codebook import CODEBOOKS


@dataclass(frozen=True, kw_only=True)
class RQVAEConfig:
    """The RQ-VAE and its training."""

    hidden_sizes: tuple[int, ...] = (512, 256)
    """Widths between input and latent; the decoder mirrors them (2048-1024-512-256 in MTGRec, 512-256-128 in TIGER)."""
    latent: int = 128
    """Width of latent and codebooks (128 in MTGRec, 32 in TIGER)."""
    codebook_sizes: tuple[int, ...] = (256, 256, 256)
    """Codes per level (three levels of 256 in TIGER and MTGRec)."""
    whiten: int = 0
    """Principal directions kept by whitening; 0 = off (TIGER), 128 in MTGRec."""
    standardise: bool = True
    """Without whitening: centre the embeddings and scale them to average variance 1 (not in TIGER). After one epoch on the
    3,496 films of MovieLens level 1 has a perplexity of 162 with it and of 16 without."""
    beta: float = 0.25
    """Weight of the commitment loss (TIGER and MTGRec)."""
    codebook: str = "ema"
    """ema (moving averages, MTGRec) or gradient (codebook loss, TIGER)."""
    decay: float = 0.9
    """Memory of the moving average per optimizer step; .99 in MTGRec, which on a catalogue of 4 batches lasts 25 epochs and
    lags behind the encoder."""
    assignment: str = "straight_through"
    """How the gradient passes the chosen codes: straight_through (TIGER, MTGRec), rotation (arXiv 2410.06424), or gumbel
    (codes are drawn while training, arXiv 1611.01144; needs codebook=gradient); see `tokenizers/assignment.py`."""
    temperature: float = 0.1
    """Divides the squared distances of assignment=gumbel and of the uniformity term (.01 to .001 in UniGRec, arXiv
    2601.17438, for smaller latents)."""
    sinkhorn_epsilons: tuple[float, ...] = ()
    """Per level, smoothing of balanced codes while training (Sinkhorn), 0 = the nearest code; empty = off (TIGER, MTGRec);
    LETTER's scripts (arXiv 2405.07314) set .003 at the last level. Encoding always takes the nearest code."""
    sinkhorn_iterations: int = 50
    """Sinkhorn iterations per batch and level (50 in LETTER's scripts)."""
    uniformity_weight: float = 0.0
    """Weight of the divergence of the codes' mean use from even use (1e-4 with soft codes in UniGRec, arXiv 2601.17438);
    0 = off (TIGER, MTGRec). With codebook=ema only level 1 has something to move, the encoder."""
    kmeans_init: bool = True
    """Start each codebook from k-means on the encoded items (TIGER, MTGRec); otherwise small random vectors."""
    revive_after: int = 1
    """Epochs without use after which a code moves to a random item's residual; 0 = never (TIGER, MTGRec)."""
    dropout: float = 0.0
    """Before every linear layer (0 in MTGRec)."""
    epochs: int = 300
    """Upper bound on training epochs (10,000 in MTGRec, 20,000 in TIGER)."""
    batch_size: int = 1024
    """Items per optimizer step over all processes (1,024 in TIGER, 2,048 in MTGRec)."""
    optimizer: str = "adamw"
    """adamw or adagrad (TIGER, MTGRec); AdamW reaches the same reconstruction in a fraction of the epochs."""
    lr: float = 1e-3
    """Learning rate, constant (MTGRec) after the warm-up."""
    warmup_epochs: float = 5.0
    """Epochs over which the learning rate rises linearly, so that codebooks can follow the encoder; 0 in MTGRec."""
    weight_decay: float = 0.0
    """Decoupled for adamw, L2 for adagrad (0 in MTGRec)."""
    holdout: float = 0.05
    """Share of the items (a seeded draw) kept out of training to measure reconstruction; 0 = none (TIGER, MTGRec)."""
    patience: int = 20
    """Epochs without better held-out reconstruction after which training stops; 0 = never (TIGER, MTGRec)."""
    seed: int = 0
    """Initialisation, k-means, held-out items, order, dropout and revival (2024 in MTGRec)."""

    def __post_init__(self) -> None:
        for field in ("hidden_sizes", "codebook_sizes"):
            sizes = getattr(self, field)
            check(all(size >= 1 for size in sizes), field, list(sizes), "integers >= 1")
        check(len(self.codebook_sizes) >= 1, "codebook_sizes", list(self.codebook_sizes), "at least one level")
        for field in ("latent", "epochs", "batch_size"):
            check(getattr(self, field) >= 1, field, getattr(self, field), "an integer >= 1")
        for field in ("whiten", "revive_after", "patience", "seed"):
            check(getattr(self, field) >= 0, field, getattr(self, field), "an integer >= 0")
        for field in ("beta", "weight_decay", "warmup_epochs"):
            check(getattr(self, field) >= 0, field, getattr(self, field), "a number >= 0")
        check(self.lr > 0, "lr", self.lr, "a number > 0")
        check(0 <= self.decay < 1, "decay", self.decay, "a number in [0, 1)")
        check(0 <= self.dropout < 1, "dropout", self.dropout, "a number in [0, 1)")
        check(0 <= self.holdout < 1, "holdout", self.holdout, "a number in [0, 1)")
        check(self.temperature > 0, "temperature", self.temperature, "a number > 0")
        check(self.uniformity_weight >= 0, "uniformity_weight", self.uniformity_weight, "a number >= 0")
        check(self.sinkhorn_iterations >= 1, "sinkhorn_iterations", self.sinkhorn_iterations, "an integer >= 1")
        check_choice("assignment", self.assignment, ASSIGNMENTS)
        self._check_sinkhorn()
        check_choice("codebook", self.codebook, CODEBOOKS)
        # Averages of latents whose codes were drawn at random move together until all vectors are one.
        learned = self.assignment != "gumbel" or self.codebook == "gradient"
        check(learned, "codebook", self.codebook, "gradient with assignment=gumbel")
        check_choice("optimizer", self.optimizer, ("adamw", "adagrad"))
        if self.patience and not self.holdout:
            raise ConfigError(f"patience={self.patience} needs held-out items; set holdout above 0, or patience=0")

    def _check_sinkhorn(self) -> None:
        epsilons, n_levels = list(self.sinkhorn_epsilons), len(self.codebook_sizes)
        fits = len(epsilons) in (0, n_levels) and all(epsilon >= 0 for epsilon in epsilons)
        check(fits, "sinkhorn_epsilons", epsilons, f"a number >= 0 for each of the {n_levels} levels, or none")
        check(
            self.assignment != "gumbel" or not any(epsilons),
            "sinkhorn_epsilons",
            epsilons,
            "none with assignment=gumbel, which draws its codes",
        )

    @property
    def unused(self) -> tuple[str, ...]:
        """Options that are switched off: they name no other result."""
        balanced, uniform = any(self.sinkhorn_epsilons), self.uniformity_weight > 0
        off = {
            "assignment": self.assignment == "straight_through",
            "temperature": self.assignment != "gumbel" and not uniform,
            "sinkhorn_epsilons": not balanced,
            "sinkhorn_iterations": not balanced,
            "uniformity_weight": not uniform,
        }
        return tuple(name for name, is_off in off.items() if is_off)
