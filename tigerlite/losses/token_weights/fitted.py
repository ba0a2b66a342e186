"""Token weights as an artifact: tables fitted from codes, embeddings and training targets, kept with the run.

A table holds a weight for every token of every target item, so that a training step only gathers it. How much a weighting
differs from plain cross-entropy is its `Spread` over the training targets' tokens.
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tigerlite.config import InputError

_TABLES, _META = "token_weights.safetensors", "token_weights.json"
INERT = 0.05
"""Standard deviation of the weights below which training cannot be told from plain cross-entropy."""


@dataclass(frozen=True)
class Spread:
    """Weights over the tokens of all training targets."""

    std: float
    """Standard deviation."""
    deviation: float
    """Mean of |w - 1|."""
    beyond_10: float
    """Share of tokens with |w - 1| > .1."""
    beyond_25: float
    """Share of tokens with |w - 1| > .25."""

    @property
    def inert(self) -> bool:
        """Whether the weighting is numerically plain cross-entropy."""
        return self.std < INERT


@dataclass(frozen=True, eq=False)
class TokenWeights:
    """Fitted tables of weights.

    Args:
        tables: name -> (N + 1, P), row 0 padding, or (1, P) where all items have the same weights; mean 1 over the tokens
            of the training targets.
        bank: fingerprint of the identifiers they were fitted on.
        statistics: what was found in fitting, for people.
        source: where they were read, for errors.
    """

    tables: dict[str, Tensor]
    bank: str
    statistics: dict[str, Any] = field(default_factory=dict)
    source: str = "memory"

    def save(self, folder: Path) -> None:
        """Write `token_weights.safetensors` and `token_weights.json` into an existing folder."""
        save_file({name: table.float().contiguous() for name, table in self.tables.items()}, folder / _TABLES)
        (folder / _META).write_text(json.dumps({"bank": self.bank, "statistics": self.statistics}, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path, bank: str) -> "TokenWeights":
        """What `save` wrote, for the bank with this fingerprint.

        Raises:
            InputError: if there are none, or they were fitted on other identifiers.
        """
        found = cls.read(folder)
        found.require_bank(bank)
        return found

    @classmethod
    def read(cls, folder: Path) -> "TokenWeights":
        """What `save` wrote, for whatever bank.

        Raises:
            InputError: if there are none, or the files are not what `save` wrote.
        """
        if not (folder / _META).is_file() or not (folder / _TABLES).is_file():
            raise InputError(f"{folder} holds no token weights ({_TABLES} and {_META})")
        try:
            meta = json.loads((folder / _META).read_text())
            return cls(load_file(folder / _TABLES), meta["bank"], meta["statistics"], str(folder))
        except (ValueError, KeyError, TypeError, SafetensorError) as error:
            raise InputError(
                f"the token weights in {folder} cannot be read ({error}); take those of a finished run"
            ) from None

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits over the tables and the identifiers they are for."""
        digest = hashlib.sha256(self.bank.encode())
        for name, table in sorted(self.tables.items()):
            digest.update(f"{name}{tuple(table.shape)}".encode() + table.float().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def require_bank(self, bank: str) -> None:
        """Refuse identifiers with another fingerprint than those the weights were fitted on.

        Raises:
            InputError: with both.
        """
        if self.bank != bank:
            raise InputError(
                f"the token weights in {self.source} were fitted on identifiers {self.bank}, not on {bank}; use those of a "
                "run with these identifiers, or fit them anew"
            )

    def require_tables(self, names: Collection[str], n_tokens: int) -> None:
        """Refuse weights without one of `names`, or for another number of label tokens.

        Raises:
            InputError: with what there is.
        """
        missing = [name for name in names if name not in self.tables]
        if missing:
            raise InputError(
                f"the token weights in {self.source} are {', '.join(self.tables)}, without {', '.join(missing)}; set the "
                "objective that they were fitted for, or fit them anew"
            )
        for name in names:
            found = self.tables[name].shape[1]
            if found != n_tokens:
                raise InputError(
                    f"the {name} weights in {self.source} are for {found} label tokens, not {n_tokens}; set tiger.eos as they "
                    "were fitted, or fit them anew"
                )


def spread(table: Tensor, targets: Tensor) -> Spread:
    """How far weights are from 1 over the tokens of the training targets.

    Args:
        table: (N + 1, P) or (1, P).
        targets: (N + 1,) how often each item is a training target.

    >>> spread(torch.tensor([[0.0, 0.0], [0.5, 1.5]]), torch.tensor([0, 3])).std
    0.5
    """
    shares = targets.double() / targets.sum()
    weights = table.double().expand(len(shares), -1)

    def mean(values: Tensor) -> float:
        return float((values.mean(dim=1) * shares).sum())

    away = (weights - 1).abs()
    variance = mean(weights.square()) - mean(weights) ** 2
    return Spread(
        std=max(variance, 0.0) ** 0.5,
        deviation=mean(away),
        beyond_10=mean((away > 0.1).double()),
        beyond_25=mean((away > 0.25).double()),
    )


def with_end(table: Tensor, weight: float) -> Tensor:
    """The table (., L) of mean 1 with a column for EOS, mean 1 again: (., L + 1).

    arXiv 2601.17787's code gives EOS the weight 1 and leaves the others; so it is here with weight=1.
    """
    n_levels = table.shape[1]
    scale = (n_levels + 1) / (n_levels + weight)
    return torch.nn.functional.pad(table, (0, 1), value=weight) * scale


def require_every_position(tables: dict[str, Tensor], targets: Tensor) -> None:
    """Refuse weights under which a level would never be learnt.

    Args:
        tables: those whose mixture is trained on; (N + 1, P) or (1, P) each.
        targets: (N + 1,).

    Raises:
        InputError: if all of them are 0 at a position for every training target.
    """
    trained = targets > 0
    mass = torch.stack([(t[trained] if len(t) > 1 else t).abs().sum(dim=0).double() for t in tables.values()]).sum(
        dim=0
    )
    if bool((mass == 0).any()):
        level = int((mass == 0).nonzero()[0]) + 1
        raise InputError(
            f"{' and '.join(tables)} give code {level} of every training target the weight 0, so it would never be learnt; "
            "mix them with original (objective.method=multi_target) or change their settings"
        )


def described(found: Spread) -> dict[str, float]:
    """A spread as primitives."""
    return asdict(found)
