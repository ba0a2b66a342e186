"""Opens a saved tokenizer of any kind (`tokenizer.json` in its folder says which), and names one by what it would save."""

import hashlib
import json
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from torch import Tensor

from tigerlite.config import InputError
from tigerlite.tokenizers import KINDS
from tigerlite.tokenizers.space import Space


class Tokenizer(Protocol):
    """What encodes the embeddings of items, old and new."""

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Codes per level."""

    def encode(self, embeddings: Tensor) -> Tensor:
        """Codes (N, L) int64 of embeddings (N, D), the first step included."""

    def space(self, embeddings: Tensor) -> Space:
        """Where codes of these items lie near each other."""

    def save(self, folder: Path) -> None:
        """Write what `load_tokenizer` reads."""


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer that was saved in `folder`, on the CPU.

    Raises:
        InputError: if there is none, or it is of a kind that this version does not know.
    """
    file = Path(folder) / "tokenizer.json"
    try:
        meta: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder} holds no tokenizer ({file.name}); imported identifiers have none") from None
    # An RQ-VAE does not name itself: it was the only kind when its format was made.
    kind = meta.get("kind", "rqvae")
    if kind not in KINDS:
        raise InputError(f"{file} names a tokenizer of kind '{kind}'; this version knows {', '.join(KINDS)}")
    module, name = KINDS[kind].rsplit(".", 1)
    return getattr(import_module(module), name).load(Path(folder))


def saved_fingerprint(folder: Path) -> str | None:
    """`tokenizer_fingerprint` of the tokenizer in a folder; None where there is none (imported identifiers)."""
    return tokenizer_fingerprint(load_tokenizer(folder)) if (Path(folder) / "tokenizer.json").exists() else None


def tokenizer_fingerprint(tokenizer: Tokenizer) -> str:
    """Hex digits that name the content of a tokenizer: equal for what was saved and what was loaded."""
    digest = hashlib.sha256()
    with TemporaryDirectory() as folder:
        tokenizer.save(Path(folder))
        for file in sorted(Path(folder).iterdir()):
            digest.update(file.name.encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
