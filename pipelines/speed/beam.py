"""Users per second of our constrained beam search and of transformers' `generate`, encoder included.

`generate` is constrained by a prefix trie of Python dictionaries, as the public LETTER code does, or runs
unconstrained, when its results need not be items. Its scores are those of our `vocabulary` mode; the share of equal
results is printed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from speed.synthetic import Synthetic, synthetic
from speed.timing import Case, measure, report, write
from tigerlite.config import check
from tigerlite.recommenders.beam_search import Beams, beam_search
from tigerlite.recommenders.t5 import T5, T5Config
from tigerlite.recommenders.trie import Trie


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark."""

    model: T5Config = field(default_factory=lambda: T5Config(n_heads=4, d_ff=512))
    """Network of both sides (MTGRec's width, arXiv 2504.04400)."""
    n_users: int = 32
    """Users in a batch."""
    n_beams: int = 50
    """Beams, all of them returned."""
    max_history: int = 20
    """Items of the longest history."""
    n_levels: int = 4
    """Codes per item."""
    codebook_size: int = 256
    """Codes per level."""
    n_items: int = 10_000
    """Items of the catalogue."""
    repeats: int = 5
    """Timed calls per row."""
    device: str = "cpu"
    """cpu or cuda."""
    seed: int = 0
    """Seed of data and weights."""
    out: Path | None = None
    """JSON file to write."""

    def __post_init__(self) -> None:
        for name in ("n_users", "n_beams", "max_history", "n_levels", "codebook_size", "n_items", "repeats"):
            value = self.__dict__[name]
            check(value >= 1, name, value, "an integer >= 1")


def run(config: Config) -> None:
    """Measure, print, write."""
    data = synthetic(
        n_users=config.n_users,
        n_items=config.n_items,
        n_levels=config.n_levels,
        codebook_size=config.codebook_size,
        max_history=config.max_history,
        seed=config.seed,
        device=config.device,
    )
    torch.manual_seed(config.seed)
    ours = T5(config.model, data.vocab_size).to(config.device).eval()
    search = _search(ours, data, config.n_beams)
    constrained = _generate(ours, data, config.n_beams, _allowed_tokens(data))
    baseline = "generate + trie fp32"
    cases = [
        Case("ours, level scores fp32", lambda: search("level", False), baseline),
        Case("ours, vocabulary scores fp32", lambda: search("vocabulary", False), baseline),
        Case("ours, level scores bf16", lambda: search("level", True), baseline),
        Case(baseline, constrained, baseline),
        Case("generate unconstrained fp32", _generate(ours, data, config.n_beams, None), baseline),
    ]
    print(f"{config.n_users} users, {config.n_beams} beams, {torch.get_num_threads()} threads, {config.device}")
    rows = report(cases, measure(cases, config.repeats), amount=config.n_users, unit="users")
    same = _share_of_equal_results(search("vocabulary", False), constrained(), data)
    print(f"results equal to generate + trie, in order: {same:.2%}")
    write(config.out, "beam", config, rows, results_equal_to_generate=same)


def _search(model: T5, data: Synthetic, n_beams: int) -> Callable[[str, bool], Beams]:
    trie = Trie(data.codes).to(data.codes.device)

    @torch.no_grad()
    def search(scoring: str, bf16: bool) -> Beams:
        with torch.autocast(data.tokens.device.type, torch.bfloat16, enabled=bf16):
            return beam_search(
                model,
                trie,
                model.encode(data.tokens, data.mask),
                data.mask,
                starts=data.starts,
                sizes=data.sizes,
                n_beams=n_beams,
                k=n_beams,
                scoring=scoring,
            )

    return search


def _generate(model: T5, data: Synthetic, n_beams: int, allowed: Callable | None) -> Callable[[], torch.Tensor]:
    theirs = model.to_huggingface().to(data.tokens.device)

    def generate() -> torch.Tensor:
        """Tokens (B * n_beams, L), the start token cut off."""
        found = theirs.generate(
            input_ids=data.tokens,
            attention_mask=data.mask.long(),
            num_beams=n_beams,
            num_return_sequences=n_beams,
            max_new_tokens=len(data.sizes),
            do_sample=False,
            prefix_allowed_tokens_fn=allowed,
        )
        return found[:, 1:]

    return generate


def _allowed_tokens(data: Synthetic) -> Callable[[int, torch.Tensor], list[int]]:
    """The legal next tokens of a hypothesis, from a trie of dictionaries keyed by token."""
    root: dict = {}
    for path in (data.codes[1:].cpu() + torch.tensor(data.starts)).tolist():
        node = root
        for token in path:
            node = node.setdefault(token, {})

    def allowed(_user: int, so_far: torch.Tensor) -> list[int]:
        node = root
        for token in so_far.tolist()[1:]:
            node = node[token]
        return list(node)

    return allowed


def _share_of_equal_results(beams: Beams, generated: torch.Tensor, data: Synthetic) -> float:
    found = data.codes[beams.items] + torch.tensor(data.starts, device=data.codes.device)
    return float((found == generated.view(found.shape)).all(-1).float().mean())
