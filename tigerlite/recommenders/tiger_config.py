"""What TIGER can be told: network, objective, length of training, decoding in validation."""

from dataclasses import dataclass, field
from typing import Any

from tigerlite.config import check, check_choice, to_dict
from tigerlite.optim import OptimizerConfig
from tigerlite.recommenders.scoring import SCORINGS
from tigerlite.recommenders.t5_blocks import T5Config


@dataclass(frozen=True, kw_only=True)
class TIGERConfig:
    """Network, objective and training length of TIGER."""

    t5: T5Config = field(default_factory=T5Config)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    epochs: int = 20
    """Training epochs; every prefix of every training sequence is one sample of an epoch."""
    batch_size: int = 256
    """Samples per optimiser step over all processes."""
    max_history: int = 20
    """Most recent items that the encoder reads (20 in MTGRec, arXiv 2504.04400)."""
    encoder_attention: str = "bidirectional"
    """bidirectional (the papers: one encoder pass per target), or causal: items see themselves and earlier items only, and
    one pass over a sequence trains all its prefixes."""
    user_token: bool = True
    """Begin the encoder's input with one constant token, which also makes an empty history valid."""
    eos: bool = False
    """End encoder input and labels with EOS, as the papers do; needs head=vocabulary."""
    head: str = "level"
    """level: softmax over the codes of the level; vocabulary: over all tokens, as in the papers; trie: over the codes that
    continue the target's prefix to an item, so that the probabilities of all items sum to one (needs scoring=trie)."""
    label_smoothing: float = 0.0
    """Mass of the target spread over the softmax's classes."""
    copy: bool = False
    """Add a learnt bonus to the codes that spell an item of the history again (`copying.py`; in no paper)."""
    scoring: str = "level"
    """How beam search normalises: level, trie (legal children) or vocabulary (as in the papers)."""
    valid_beams: int = 20
    """Beam width in validation (20 in MTGRec's released code)."""
    exclude_history: bool = False
    """Whether validation leaves out the items of the history; set it as `evaluate.exclude_history` is set."""
    n_validation_users: int = 10_000
    """Users that select the checkpoint (a seeded draw; all where there are fewer)."""
    validate_every: int = 1
    """Epochs between validations; the last epoch is validated too."""
    patience: int = 0
    """Stop after this many validations without a better NDCG@10; 0 = never."""
    keep_epochs: tuple[int, ...] = ()
    """Epochs, counted from 1, after which the model is kept beside the best, for `finetune.identifiers.start_epochs`."""
    seed: int = 0
    """Initialisation, data order and dropout."""

    def __post_init__(self) -> None:
        check(self.epochs >= 1, "epochs", self.epochs, "an integer >= 1")
        check(self.batch_size >= 1, "batch_size", self.batch_size, "an integer >= 1")
        check(self.max_history >= 1, "max_history", self.max_history, "an integer >= 1")
        check(0 <= self.label_smoothing < 1, "label_smoothing", self.label_smoothing, "a number in [0, 1)")
        check(self.valid_beams >= 10, "valid_beams", self.valid_beams, "an integer >= 10, since NDCG@10 is measured")
        check(self.n_validation_users >= 1, "n_validation_users", self.n_validation_users, "an integer >= 1")
        check(self.validate_every >= 1, "validate_every", self.validate_every, "an integer >= 1")
        check(self.patience >= 0, "patience", self.patience, "an integer >= 0")
        for epoch in self.keep_epochs:
            check(1 <= epoch <= self.epochs, "keep_epochs", epoch, f"epochs from 1 to epochs={self.epochs}")
        check_choice("encoder_attention", self.encoder_attention, ("bidirectional", "causal"))
        check_choice("head", self.head, ("level", "vocabulary", "trie"))
        check_choice("scoring", self.scoring, SCORINGS)
        check(not (self.eos and self.is_causal), "eos", self.eos, "false with encoder_attention=causal")
        if self.head == "trie":
            check(self.scoring == "trie", "scoring", self.scoring, "trie with head=trie")
            check(self.label_smoothing == 0, "label_smoothing", self.label_smoothing, "0 with head=trie")
        check(not self.eos or self.head == "vocabulary", "eos", self.eos, "false with head=level; set head=vocabulary")

    @property
    def unused(self) -> tuple[str, ...]:
        """What is off by default, so that results keep the names they had before there was a choice."""
        return tuple(name for name in ("copy", "keep_epochs") if not getattr(self, name))

    @property
    def answering(self) -> dict[str, Any]:
        """The settings that the answers of a model with given weights follow from."""
        names = ("max_history", "encoder_attention", "eos", "scoring")
        return {"t5": to_dict(self.t5), **{name: getattr(self, name) for name in names}}

    @property
    def is_causal(self) -> bool:
        """Whether training takes all prefixes of a sequence in one pass."""
        return self.encoder_attention == "causal"
