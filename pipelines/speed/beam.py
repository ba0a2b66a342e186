"""Decoding: users per second of our constrained beam search and of transformers' `generate`, encoder included.

`generate` is constrained by a prefix trie of Python dictionaries, as the public LETTER code does, or runs
unconstrained, when its results need not be items. Its scores are those of our `vocabulary` mode; the share of equal
results is printed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from speed.synthetic import DataConfig, histories_of_test_users
from speed.timing import Case, measure, prepare, report, write
from tigerlite.config import check, to_dict
from tigerlite.recommenders.base import Recommendations
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.tokenizers.bank import TokenizerBank

TRIE = "generate + trie, fp32"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark."""

    model: T5Config = field(default_factory=lambda: T5Config(n_heads=4, d_ff=512))
    """Network of both sides (MTGRec's, arXiv 2504.04400)."""
    data: DataConfig = field(default_factory=DataConfig)
    n_users: int = 32
    """Users in a batch."""
    n_beams: int = 50
    """Beams, all of them returned."""
    repeats: int = 5
    """Timed calls per row."""
    device: str = "cpu"
    """cpu or cuda."""
    out: Path | None = None
    """JSON file to write."""

    def __post_init__(self) -> None:
        for name in ("n_users", "n_beams", "repeats"):
            value = self.__dict__[name]
            check(value >= 1, name, value, "an integer >= 1")


def run(config: Config) -> None:
    """Measure, print, write."""
    prepare(config.device)
    dataset, bank = config.data.load()
    histories = histories_of_test_users(dataset, config.n_users, config.data).to(config.device)
    level, vocabulary = _model(config, bank, "level"), _model(config, bank, "vocabulary")
    calls = {
        "ours, level scores, fp32": _search(level, histories, config, bf16=False),
        "ours, level scores, bf16": _search(level, histories, config, bf16=True),
        "ours, vocabulary scores, fp32": _search(vocabulary, histories, config, bf16=False),
        "ours, vocabulary scores, bf16": _search(vocabulary, histories, config, bf16=True),
        TRIE: _generate(vocabulary, histories, config, _allowed_tokens(vocabulary)),
        "generate, unconstrained, fp32": _generate(vocabulary, histories, config, None),
    }
    cases = [
        Case(
            name=name,
            call=call,
            amount=len(histories),
            baseline=TRIE,
            precision=name[-4:],
            padding=1 - float((histories > 0).float().mean()),
        )
        for name, call in calls.items()
    ]
    print(f"{len(histories)} users, {config.n_beams} beams, {torch.get_num_threads()} threads, {config.device}")
    rows = report(cases, measure(cases, config.repeats, config.device), unit="users", device=config.device)
    rates = {row["name"]: row["per_second"] for row in rows}
    unconstrained = rates["ours, level scores, fp32"] / rates["generate, unconstrained, fp32"]
    print(f"ours, level scores, fp32, against generate, unconstrained: {unconstrained:.2f}x")
    same = _share_of_equal_results(calls["ours, vocabulary scores, fp32"](), calls[TRIE](), vocabulary)
    print(f"results equal to generate + trie, in order: {same:.2%}")
    overlap = _overlap(calls["ours, level scores, fp32"](), calls["ours, level scores, bf16"]())
    print(f"results of fp32 that bf16 returns too: {overlap:.2%} (random weights)")
    more = {"against_unconstrained": unconstrained, "results_equal_to_generate": same, "bf16_overlap": overlap}
    write(config.out, "beam", config, rows, **more)


def _model(config: Config, bank: TokenizerBank, scoring: str) -> TIGER:
    torch.manual_seed(config.data.seed)  # the same weights for every scoring
    settings = TIGERConfig(t5=config.model, max_history=config.data.max_history, scoring=scoring)
    model = TIGER(to_dict(settings), bank).to(config.device).eval()
    model.n_beams = config.n_beams
    return model


def _search(model: TIGER, histories: Tensor, config: Config, *, bf16: bool) -> Callable[[], Recommendations]:
    def search() -> Recommendations:
        with torch.autocast(config.device, torch.bfloat16, enabled=bf16):
            return model.recommend(histories, config.n_beams)

    return search


def _generate(model: TIGER, histories: Tensor, config: Config, allowed: Callable | None) -> Callable[[], Tensor]:
    theirs = model.t5.to_huggingface().to(config.device)
    tokens, mask = model.encoder_input(histories)

    def generate() -> Tensor:
        """Tokens (B * n_beams, L), the start token cut off."""
        found = theirs.generate(
            input_ids=tokens,
            attention_mask=mask.long(),
            num_beams=config.n_beams,
            num_return_sequences=config.n_beams,
            max_new_tokens=model.vocab.n_levels,
            do_sample=False,
            prefix_allowed_tokens_fn=allowed,
        )
        return found[:, 1:]

    return generate


def _allowed_tokens(model: TIGER) -> Callable[[int, Tensor], list[int]]:
    """The legal next tokens of a hypothesis, from a trie of dictionaries keyed by token."""
    root: dict = {}
    for path in model.item_tokens[1:].tolist():
        node = root
        for token in path:
            node = node.setdefault(token, {})

    def allowed(_user: int, so_far: Tensor) -> list[int]:
        node = root
        for token in so_far.tolist()[1:]:
            node = node[token]
        return list(node)

    return allowed


def _share_of_equal_results(found: Recommendations, generated: Tensor, model: TIGER) -> float:
    tokens = model.item_tokens[found.items]  # (B, W, L)
    return float((tokens == generated.view(tokens.shape)).all(-1).float().mean())


def _overlap(left: Recommendations, right: Recommendations) -> float:
    return float((left.items[:, :, None] == right.items[:, None, :]).any(-1).float().mean())
