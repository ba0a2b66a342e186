"""Identifiers for items that came after training, from the frozen tokenizer; those of known items stay as they are.

A new item gets the codes of its embedding (normalised as in training). Where they are taken, what follows is what the bank was
made with, which shows in its number of levels:

* one level more than the tokenizer has (`rank_digit`): the lowest free digit; where the group is full the level grows, and a
  recommender trained before has no token for the new digit (`TIGER.use_bank` says so);
* as many levels (`nearest_free`, and `random_free`, for which nearest is as good): the nearest free path;
* a bank with buckets: the path is shared.

With buckets the recommender must be able to rank items that share a path.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tigerlite.config import InputError
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.collisions import nearest_free_in
from tigerlite.tokenizers.space import Space
from tigerlite.tokenizers.vocabulary import SemanticVocab


class FrozenTokenizer(Protocol):
    """What is needed of a tokenizer; every one that `load_tokenizer` opens has it."""

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Codes per level."""

    def encode(self, embeddings: Tensor) -> Tensor:
        """Codes (N, L) of embeddings (N, D)."""

    def space(self, embeddings: Tensor) -> Space:
        """Where codes of these items lie near each other."""


class _After:
    """The space of new items, which come after `n_known` items that hold their paths and are never asked for."""

    def __init__(self, space: Space, n_known: int) -> None:
        self._space, self._n_known = space, n_known

    def distances(self, items: np.ndarray, prefixes: np.ndarray) -> np.ndarray:
        """See `Space`."""
        return self._space.distances(items - self._n_known, prefixes)

    def first_choices(self, items: np.ndarray, prefixes: np.ndarray, n_choices: int) -> np.ndarray:
        """See `Space`."""
        return self._space.first_choices(items - self._n_known, prefixes, n_choices)


def add_items(
    bank: TokenizerBank, embeddings: Tensor | np.ndarray, tokenizers: FrozenTokenizer | Sequence[FrozenTokenizer]
) -> TokenizerBank:
    """A bank with n more items, numbered N + 1 to N + n in the order given; rows 0..N are bit-identical.

    Args:
        bank: of N items.
        embeddings: (n, D) of the new items, made as those that the tokenizers were trained on.
        tokenizers: one per member of the bank; a single one for a bank of one member.

    Raises:
        InputError: if the embeddings hold NaN, the tokenizers do not fit the bank, or no path is free.
    """
    members = [tokenizers] if not isinstance(tokenizers, Sequence) else list(tokenizers)
    if len(members) != bank.n_members:
        raise InputError(
            f"the bank has {bank.n_members} members but {len(members)} tokenizers were given; give one per member"
        )
    rows = _checked(embeddings)
    old = bank.codes[:, 1:].cpu().numpy()
    codes, sizes = [], []
    for known, tokenizer in zip(old, members, strict=True):
        found, levels = _encode(bank, known, rows, tokenizer)
        codes.append(found)
        sizes.append(levels)
    # Members share one vocabulary, so a digit level is as wide as the widest.
    vocab = SemanticVocab(tuple(np.max(sizes, axis=0).tolist()), bank.vocab.n_user_tokens)
    added = torch.from_numpy(np.stack(codes)).to(bank.codes.device)
    return TokenizerBank(torch.cat([bank.codes, added], dim=1), vocab, bank.buckets)


def _checked(embeddings: Tensor | np.ndarray) -> Tensor:
    rows = torch.as_tensor(embeddings).float()
    if rows.ndim != 2 or not len(rows):
        raise InputError(f"embeddings of new items have shape {tuple(rows.shape)}; allowed: (n, D) with n >= 1")
    bad = (~rows.isfinite().all(dim=1)).nonzero().flatten()
    if len(bad):
        raise InputError(
            f"the embedding of new item {int(bad[0]) + 1} holds NaN or infinity ({len(bad)} such items); encode it again"
        )
    return rows


def _encode(
    bank: TokenizerBank, known: np.ndarray, rows: Tensor, tokenizer: FrozenTokenizer
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Codes (n, L) of new items under one member, and the level sizes that they need."""
    sizes, own = bank.vocab.codebook_sizes, tuple(tokenizer.codebook_sizes)
    with_digit = len(sizes) == len(own) + 1
    if own != (sizes[:-1] if with_digit else sizes):
        raise InputError(
            f"the tokenizer has levels {list(own)} but the bank {list(sizes)}; give the tokenizer that made the bank"
        )
    codes = tokenizer.encode(rows).cpu().numpy()
    if with_digit:
        digits = _free_digits(known, codes)
        return np.concatenate([codes, digits[:, None]], axis=1), (*own, max(sizes[-1], int(digits.max()) + 1))
    if bank.buckets:
        return codes, sizes
    return _nearest_free(known, codes, rows, tokenizer), sizes


def _free_digits(known: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """For every new item (n,) the lowest digit that no earlier item with its codes has."""
    wanted = {tuple(path) for path in codes.tolist()}
    taken: dict[tuple[int, ...], set[int]] = {path: set() for path in wanted}
    for *path, digit in known.tolist():
        if tuple(path) in wanted:
            taken[tuple(path)].add(digit)
    digits = []
    for path in map(tuple, codes.tolist()):
        digits.append(next(digit for digit in range(len(taken[path]) + 1) if digit not in taken[path]))
        taken[path].add(digits[-1])
    return np.array(digits, dtype=np.int64)


def _nearest_free(known: np.ndarray, codes: np.ndarray, rows: Tensor, tokenizer: FrozenTokenizer) -> np.ndarray:
    """Free codes (n, L): known items come first, so they hold their paths and only new ones move."""
    space = _After(tokenizer.space(rows), len(known))
    resolved = nearest_free_in(np.concatenate([known, codes]), tokenizer.codebook_sizes, space)
    return resolved.codes[len(known) :]
