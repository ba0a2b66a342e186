"""Published identifiers instead of a trained tokenizer; new items cannot be encoded, duplicates can be resolved."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tigerlite.config import InputError, check
from tigerlite.letter_index import read_letter_index


@dataclass(frozen=True, kw_only=True)
class ImportedConfig:
    """Where identifiers come from."""

    file: Path | None = None
    """Index JSON, external item id -> ["<a_80>", ...] (LETTER's format); null = what the prepared data set brought."""
    codebook_sizes: tuple[int, ...] = ()
    """Codes per level; empty = as many as the largest code of a level demands. LETTER's published indices have 256."""

    def __post_init__(self) -> None:
        sizes = list(self.codebook_sizes)
        check(all(size >= 1 for size in sizes), "codebook_sizes", sizes, "integers >= 1, one per level")


@dataclass(frozen=True)
class ImportedCodes:
    """Codes (N, L) int64, row i is item id i + 1, and the sizes of their levels."""

    codes: np.ndarray
    codebook_sizes: tuple[int, ...]


def import_codes(config: ImportedConfig, identifiers: np.ndarray | None, item_ids: Sequence[str]) -> ImportedCodes:
    """Codes from the file if one is set, else from `identifiers` (N + 1, L) of the prepared data.

    Raises:
        InputError: if there are none, or a code does not fit the stated sizes.
    """
    rows = read_letter_index(config.file, item_ids) if config.file else identifiers
    if rows is None:
        raise InputError(
            "tokenize.method=imported but the data set brings no identifiers; set tokenize.imported.file to an index "
            "JSON, or tokenize.method=rqvae"
        )
    codes = rows[1:].astype(np.int64)
    needed = tuple((codes.max(axis=0) + 1).tolist())
    sizes = config.codebook_sizes or needed
    if len(sizes) != len(needed) or any(size < least for size, least in zip(sizes, needed, strict=True)):
        raise InputError(
            f"tokenize.imported.codebook_sizes={list(sizes)} does not hold the identifiers, which need at least "
            f"{list(needed)}; leave it empty to have it read off"
        )
    return ImportedCodes(codes, sizes)
