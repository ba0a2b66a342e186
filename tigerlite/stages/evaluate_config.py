"""What `evaluate` can be told: split, decoding, exclusion, and what is ranked beside the model."""

from dataclasses import dataclass, field

from tigerlite.config import check, check_choice
from tigerlite.evaluation.ranking import CUTOFFS
from tigerlite.recommenders.baselines.closed_forms import CLOSED_FORMS
from tigerlite.recommenders.baselines.itemknn import ItemKNNConfig
from tigerlite.recommenders.free_search import FOLLOWERS

MAX_ROWS = 65_536
"""Users x beams at a time: a 4-layer decoder of 4 heads x 64 keeps 2 KB a row, layer and level, 2 GB at most."""


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """How test ranks are computed; the same rule for every method of a table."""

    split: str = "test"
    """test, or validation while choices are still being made."""
    decoding: str = "beam"
    """beam, or exact: score every item, for catalogues up to about 100,000; takes the time of a beam as wide as the
    catalogue."""
    n_beams: int = 50
    """Beam width (50 in MTGRec, arXiv 2504.04400)."""
    free_beam: str = "none"
    """Also decode without the trie, as published code does: vocabulary (any token may follow: MTGRec, arXiv 2504.04400), level
    (the codes of the level: UniGRec, 2601.17438) or none. Adds two rows, one that skips hypotheses that are no item and one
    that leaves them their rank, and the rate of them."""
    ensemble: bool = False
    """Also rank by all fine-tuned members together, mean score plus votes (MTGRec's released code), in a row of its own; the
    model stays the one that validation chose. Needs identifiers.use=each, or mixed in the last stage that trains."""
    new_item_share: float = 0.0
    """Also rank with at most this share of every list for items without a training interaction, which follow recommended ones
    whose first codes they share (TIGER, arXiv 2305.05065, section 4.3), in a row of its own that takes another beam search;
    0 = no such row."""
    new_item_codes: int | None = None
    """How many first codes those are; null = all but the last (three of four in TIGER)."""
    approximate: bool = False
    """Look items up in an approximate faiss index instead of scoring them all, for inner-product models (method=nextitem) of
    large catalogues; the share of the exact lists that it finds is reported."""
    n_probes: int = 16
    """Lists of the index that a query reads; more = slower and nearer the exact lists."""
    exclude_history: bool = False
    """Never recommend an item of the user's history; fits data without repeat consumption, such as film ratings."""
    baselines: tuple[str, ...] = ("popularity", "itemknn")
    """Closed-form baselines ranked on the same split: popularity, recent, itemknn."""
    itemknn: ItemKNNConfig = field(default_factory=ItemKNNConfig)
    batch_size: int = 256
    """Most users per batch; fewer where users x beams would pass 65,536. Changes nothing but speed and memory."""
    n_examples: int = 3
    """Users whose recommendations are written out with titles, spread evenly over the split."""

    def __post_init__(self) -> None:
        check_choice("split", self.split, ("test", "validation"))
        check_choice("decoding", self.decoding, ("beam", "exact"))
        check(self.n_beams >= max(CUTOFFS), "n_beams", self.n_beams, f"an integer >= {max(CUTOFFS)}")
        check_choice("free_beam", self.free_beam, ("none", *FOLLOWERS))
        check(0 <= self.new_item_share <= 1, "new_item_share", self.new_item_share, "a number in [0, 1]")
        allowed = self.new_item_codes is None or self.new_item_codes >= 1
        check(allowed, "new_item_codes", self.new_item_codes, "an integer >= 1, or null")
        check(self.n_probes >= 1, "n_probes", self.n_probes, "an integer >= 1")
        check(self.batch_size >= 1, "batch_size", self.batch_size, "an integer >= 1")
        check(self.n_examples >= 0, "n_examples", self.n_examples, "an integer >= 0")
        for baseline in self.baselines:
            check_choice("baselines", baseline, CLOSED_FORMS)

    @property
    def unused(self) -> tuple[str, ...]:
        """The section of a baseline that is not ranked, and what is not asked for."""
        index = () if self.approximate else ("approximate", "n_probes")
        decodings = () if self.free_beam != "none" else ("free_beam",)
        shares = () if self.new_item_share else ("new_item_share", "new_item_codes")
        other = (*index, *decodings, *shares, *(() if self.ensemble else ("ensemble",)))
        return other if "itemknn" in self.baselines else (*other, "itemknn")

    @property
    def users_per_batch(self) -> int:
        """`batch_size`, or fewer so that the beams of a batch stay within MAX_ROWS."""
        return max(1, min(self.batch_size, MAX_ROWS // self.n_beams))
