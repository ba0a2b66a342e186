"""Identifiers for items that came after training, from the frozen tokenizer; those of known items stay as they are.

A new item gets the codes of its embedding (normalised as in training). Where they are taken, what follows is what the bank was
made with, which shows in its number of levels:

* one level more than the tokenizer has (`rank_digit`): the lowest free digit, or where the group is full the nearest path that
  has a free one. Levels keep their sizes, so a recommender trained before has a token for every code;
* as many levels (`nearest_free`, and the others, for which nearest is as good): the nearest free path;
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
from tigerlite.tokenizers.saved import tokenizer_fingerprint
from tigerlite.tokenizers.space import DigitSpace, SelectedSpace, Space


class FrozenTokenizer(Protocol):
    """What is needed of a tokenizer; every one that `load_tokenizer` opens has it."""

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Codes per level."""

    def encode(self, embeddings: Tensor) -> Tensor:
        """Codes (N, L) of embeddings (N, D)."""

    def space(self, embeddings: Tensor) -> Space:
        """Where codes of these items lie near each other."""


def add_items(
    bank: TokenizerBank, embeddings: Tensor | np.ndarray, tokenizers: FrozenTokenizer | Sequence[FrozenTokenizer]
) -> TokenizerBank:
    """A bank with n more items, numbered N + 1 to N + n in the order given; rows 0..N are bit-identical.

    Args:
        bank: of N items.
        embeddings: (n, D) of the new items, made as those that the tokenizers were trained on.
        tokenizers: one per member of the bank; a single one for a bank of one member.

    Raises:
        InputError: if the embeddings hold NaN, the tokenizers did not make the bank, or no path is free.
    """
    members = [tokenizers] if not isinstance(tokenizers, Sequence) else list(tokenizers)
    if len(members) != bank.n_members:
        raise InputError(
            f"the bank has {bank.n_members} members but {len(members)} tokenizers were given; give one per member"
        )
    rows = _checked(embeddings)
    known = bank.codes[:, 1:].cpu().numpy()
    added = [_encode(bank, member, known[member], rows, tokenizer) for member, tokenizer in enumerate(members)]
    codes = torch.cat([bank.codes, torch.from_numpy(np.stack(added)).to(bank.codes.device)], dim=1)
    # The catalogue is another one now; who made the members is not.
    provenance = {name: value for name, value in bank.provenance.items() if name != "catalogue"}
    return TokenizerBank(codes, bank.vocab, bank.buckets, provenance)


def place(known: np.ndarray, codes: np.ndarray, codebook_sizes: Sequence[int], space: Space) -> np.ndarray:
    """Free paths (n, L) for items that come after others, as near to their own codes as possible.

    Args:
        known: (N, L) distinct paths, which stay.
        codes: (n, L), or (n, L - 1) where the last level holds digits.
        codebook_sizes: codes per level, L numbers.
        space: of the n items, without the level of digits.

    Raises:
        InputError: if there are more items than paths.
    """
    if codes.shape[1] < len(codebook_sizes):
        codes = np.pad(codes, ((0, 0), (0, 1)))
        space = DigitSpace(space, len(codebook_sizes) - 1, codebook_sizes[-1])
    # Known items come first, so they hold their paths, move nowhere and are never asked for (-1).
    rows = np.concatenate([np.full(len(known), -1), np.arange(len(codes))])
    resolved = nearest_free_in(np.concatenate([known, codes]), codebook_sizes, SelectedSpace(space, rows))
    return resolved.codes[len(known) :]


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
    bank: TokenizerBank, member: int, known: np.ndarray, rows: Tensor, tokenizer: FrozenTokenizer
) -> np.ndarray:
    """Paths (n, L) of new items under one member."""
    _require_maker(bank, member, tokenizer)
    codes = tokenizer.encode(rows).cpu().numpy()
    if bank.buckets:
        return codes
    return place(known, codes, bank.vocab.codebook_sizes, tokenizer.space(rows))


def _require_maker(bank: TokenizerBank, member: int, tokenizer: FrozenTokenizer) -> None:
    """Refuse a tokenizer of other levels, or another one than the bank says that it was made by."""
    sizes, own = bank.vocab.codebook_sizes, tuple(tokenizer.codebook_sizes)
    if own not in (sizes, sizes[:-1]):
        raise InputError(
            f"the tokenizer has levels {list(own)} but the bank {list(sizes)}; give the tokenizer that made the bank"
        )
    known = bank.provenance.get("members", [])
    maker = known[member].get("tokenizer", "") if known else ""
    if maker is None:
        raise InputError(
            f"the tokenizer of member {member + 1} was not kept, only that of the member that is served; add items to a "
            "recommender trained on it (finetune.identifiers.use=primary)"
        )
    if maker and maker != (given := tokenizer_fingerprint(tokenizer)):
        raise InputError(
            f"the bank was made by the tokenizer {maker} but {given} was given; load it from the folder of that run's "
            "stage tokenize"
        )
