"""What UniGRec can be told beyond the network and training of `tiger`: which parts train, and the terms of the loss."""

from dataclasses import dataclass
from pathlib import Path

from tigerlite.config import ConfigError, check, check_choice
from tigerlite.recommenders.tiger_config import TIGERConfig
from tigerlite.tokenizers.collaborative import ORDERS

READS = ("mixtures", "codes")
DISTILLATIONS = ("paper", "released")
TEACHER_MAPS = ("trained", "fitted")


@dataclass(frozen=True, kw_only=True)
class UniGRecConfig:
    """UniGRec (arXiv 2601.17438): L_rec + a L_recon + g L_T + d L_R + m L_CU."""

    train_tokenizer: bool = True
    """Joint training; false freezes the tokenizer and its identifiers (the fine-tuning of the released code)."""
    reads: str = "mixtures"
    """What the encoder reads of an item: its mixtures of codes (the paper), or, with train_tokenizer=false, the likeliest code
    of each level alone. All else being equal, the difference is what mixtures bring."""
    tokenizer_lr: float = 1e-6
    """Peak learning rate of the tokenizer, same schedule. 2e-7 or 2e-8 in the paper, whose 51,400 steps move a weight by .01 at
    most; at 1e-6 trainings of 3,000 to 9,000 steps move one by .0015 to .0045. Without weight decay or clipping: its gradients
    carry a factor 1 / tau and would shrink the recommender's. So are the adapters, at the recommender's rate."""
    reconstruction_weight: float = 0.5
    """Weight a of the tokenizer's reconstruction of the batch's items (.5 in the paper)."""
    tokenizer_distillation_weight: float = 0.01
    """Weight g of the symmetric divergence between code distributions of history and teacher (.01 in the released code)."""
    tokenizer_distillation_tau: float = 0.01
    """Temperature of those distributions; 0 = the identifiers' (the paper). The divergence is about a gap of distances / tau:
    at a small one its gradients in the T5 outweigh those of L_rec (logged as train/gradient_ratio)."""
    tokenizer_distillation_map: str = "trained"
    """How the teacher's vectors come into the tokenizer's input: trained with all else (the paper), where nothing keeps history
    and teacher from agreeing on the same codes for all items; or fitted once to the items' own inputs, by least squares."""
    distillation: str = "paper"
    """paper, or released: both distillations as the released code computes them, through adapters that it never trains
    (`losses/released_distillation.py`); for comparison."""
    recommender_distillation_weight: float = 0.1
    """Weight d of InfoNCE between the decoder's first state and the teacher's vector of the target (.1)."""
    recommender_distillation_tau: float = 0.07
    """Its temperature (.07)."""
    uniformity_weight: float = 0.0
    """Weight m of codeword uniformity, a sum over levels, in joint training (0 in the released code)."""
    reconstruction_start: int = 0
    """Epoch, from 0, from which reconstruction counts."""
    distillation_start: int = 10
    """Epoch from which both distillations count (10)."""
    uniformity_start: int = 0
    """Epoch from which uniformity counts."""
    soft_targets: bool = False
    """Train the decoder towards the target's mixtures of codes instead of its codes, so that the tokenizer gets gradients from
    both sides (in no published code); needs tiger.head=level."""
    rebuild_every: int = 1
    """Epochs between rebuilds of the identifiers (1)."""
    hysteresis: float = 2.0
    """How many times as likely another code must be to replace an item's (1 = any change, as released)."""
    digits: int = 101
    """Digits that tell items with equal codes apart: the largest group of them (101)."""
    file: Path | None = None
    """The teacher's item embeddings: item_embeddings.safetensors, or an .npy file (rows, C), whose rows `ids` or `order` has
    to name; null = those of the teacher that teacher.enabled trains."""
    ids: Path | None = None
    """With an .npy file: text file with one external item id a line, in the order of its rows."""
    order: str = "ids"
    """With an .npy file: ids, or prepared (row i is item id i + 1 of the prepared data)."""

    def __post_init__(self) -> None:
        for field in ("tokenizer_lr", "recommender_distillation_tau"):
            check(getattr(self, field) > 0, field, getattr(self, field), "a number > 0")
        weights = ("reconstruction", "tokenizer_distillation", "recommender_distillation", "uniformity")
        for field in (*(f"{name}_weight" for name in weights), "tokenizer_distillation_tau"):
            check(getattr(self, field) >= 0, field, getattr(self, field), "a number >= 0")
        for field in ("reconstruction_start", "distillation_start", "uniformity_start"):
            check(getattr(self, field) >= 0, field, getattr(self, field), "an integer >= 0")
        check(self.rebuild_every >= 1, "rebuild_every", self.rebuild_every, "an integer >= 1")
        check(self.hysteresis >= 1, "hysteresis", self.hysteresis, "a number >= 1")
        check(self.digits >= 1, "digits", self.digits, "an integer >= 1")
        check_choice("reads", self.reads, READS)
        if self.reads == "codes" and self.train_tokenizer:
            raise ConfigError(
                "unigrec.reads=codes lets no gradient into the tokenizer; set unigrec.train_tokenizer=false"
            )
        check_choice("order", self.order, ORDERS)
        check_choice("distillation", self.distillation, DISTILLATIONS)
        check_choice("tokenizer_distillation_map", self.tokenizer_distillation_map, TEACHER_MAPS)

    @property
    def needs_teacher(self) -> bool:
        """Whether a distillation is on."""
        return self.tokenizer_distillation_weight > 0 or self.recommender_distillation_weight > 0

    @property
    def unused(self) -> tuple[str, ...]:
        """Where the teacher lies, since its content is an input of the stage, and what frozen or switched-off parts read."""
        frozen = (
            "tokenizer_lr",
            "reconstruction_weight",
            "reconstruction_start",
            "uniformity_weight",
            "uniformity_start",
            "rebuild_every",
            "hysteresis",
        )
        distillation = () if self.needs_teacher else ("distillation_start",)
        # The defaults are left out, since configs were named before there was a choice.
        if self.tokenizer_distillation_map == "trained" or self.distillation == "released" or not self.needs_teacher:
            distillation += ("tokenizer_distillation_map",)
        reads = ("reads",) if self.reads == "mixtures" else ()
        corrected = self.distillation == "paper" or not self.needs_teacher
        distillation += ("distillation",) if corrected else ("tokenizer_distillation_tau",)
        return ("file", "ids", "order", *reads, *distillation, *(() if self.train_tokenizer else frozen))

    def check_tiger(self, tiger: TIGERConfig) -> None:
        """Refuse a network or loss that soft identifiers cannot feed.

        Raises:
            ConfigError: if EOS, copying, kept epochs, or another head than the option needs, is on.
        """
        if tiger.eos:
            raise ConfigError(
                "tiger.eos=true ends inputs with a token, but unigrec reads mixtures; set tiger.eos=false"
            )
        if tiger.copy:
            raise ConfigError("tiger.copy=true is for method=tiger; set it to false with method=unigrec")
        if tiger.keep_epochs:
            raise ConfigError(
                f"tiger.keep_epochs={list(tiger.keep_epochs)} keeps models that no stage starts from with method=unigrec; set "
                "it to []"
            )
        if self.soft_targets and tiger.head != "level":
            raise ConfigError(
                f"unigrec.soft_targets=true needs the codes of a level as classes; set tiger.head=level, not {tiger.head}"
            )
        if self.soft_targets and tiger.label_smoothing:
            raise ConfigError("unigrec.soft_targets=true has no hard label to smooth; set tiger.label_smoothing=0")
        if self.train_tokenizer and tiger.head == "trie":
            raise ConfigError(
                "tiger.head=trie has the paths of fixed identifiers as classes; set tiger.head=level, or "
                "unigrec.train_tokenizer=false"
            )
