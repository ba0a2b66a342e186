"""The semantic ids of all items: M identifiers per item, looked up by item id on the device that trains."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tigerlite.config import InputError
from tigerlite.letter_index import read_letter_index, write_letter_index
from tigerlite.tokenizers.vocabulary import SemanticVocab

if TYPE_CHECKING:
    from tigerlite.tokenizers.new_items import FrozenTokenizer

_CODES = "codes.safetensors"
_META = "bank.json"


@dataclass(frozen=True, eq=False)
class TokenizerBank:
    """Codes of N items by M tokenizers over one vocabulary.

    Args:
        codes: (M, N + 1, L) int64; row 0 of each member belongs to padding.
        vocab: how codes become tokens; its levels bound the codes.
        buckets: whether items may share a code path (then `items` answers with the lowest id).
        provenance: `members`, a description of each with the fingerprint of its `tokenizer` (None where that was not kept), and
            for several members `catalogue`, the fingerprint of the item ids; no part of the bank's fingerprint.

    Raises:
        InputError: if shapes or ranges do not fit `vocab`, or items of a member share a code path without `buckets`.

    >>> bank = TokenizerBank(torch.tensor([[[0, 0], [1, 0], [1, 1]]]), SemanticVocab((2, 2)))
    >>> bank.n_members, bank.n_items, bank.n_levels
    (1, 2, 2)
    >>> bank.items(torch.tensor([[1, 1], [0, 1]]))
    tensor([2, 0])
    """

    codes: Tensor
    vocab: SemanticVocab
    buckets: bool = False
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = tuple(self.codes.shape)
        if len(shape) != 3 or shape[0] < 1 or shape[1] < 2:
            raise InputError(f"codes have shape {shape}; a bank needs (M, N + 1, L) with M >= 1 and N >= 1")
        if shape[2] != self.vocab.n_levels:
            raise InputError(f"codes have {shape[2]} levels but the vocabulary has {self.vocab.n_levels}")
        object.__setattr__(self, "codes", self.codes.to(torch.int64))
        sizes = torch.tensor(self.vocab.codebook_sizes, device=self.codes.device)
        outside = ((self.codes < 0) | (self.codes >= sizes)).nonzero()
        if len(outside):
            member, item, level = outside[0].tolist()
            raise InputError(
                f"item {item} has code {int(self.codes[member, item, level])} at level {level + 1}; "
                f"allowed: 0..{self.vocab.codebook_sizes[level] - 1}"
            )
        if not self.buckets:
            for member in range(self.n_members):
                _require_unique(self.codes[member, 1:], member)

    @property
    def primary(self) -> Tensor:
        """Codes (N + 1, L) of member 0, what is served."""
        return self.codes[0]

    @property
    def n_members(self) -> int:
        """Identifiers per item, M."""
        return self.codes.shape[0]

    @property
    def n_items(self) -> int:
        """Items, N, without padding."""
        return self.codes.shape[1] - 1

    @property
    def n_levels(self) -> int:
        """Codes per identifier, L."""
        return self.codes.shape[2]

    @cached_property
    def fingerprint(self) -> str:
        """Hex digits that name this content."""
        digest = hashlib.sha256(json.dumps(self._meta()).encode())
        digest.update(np.ascontiguousarray(self.codes.cpu().numpy()).tobytes())
        return digest.hexdigest()[:16]

    def select(self, members: Sequence[int]) -> "TokenizerBank":
        """A bank of some of the members, in the order given.

        Raises:
            InputError: if a member does not exist, is named twice, or none is.
        """
        wrong = [member for member in members if not 0 <= member < self.n_members]
        if wrong or not members or len(set(members)) < len(members):
            raise InputError(
                f"members {list(members)} cannot be taken of a bank of {self.n_members}; allowed: different numbers, at least "
                f"one, of 0..{self.n_members - 1} (tokenize.members sets how many there are)"
            )
        known = self.provenance.get("members", [])
        chosen = {**self.provenance, "members": [known[member] for member in members]} if known else self.provenance
        return TokenizerBank(self.codes[list(members)], self.vocab, self.buckets, chosen)

    def items(self, codes: Tensor, member: int = 0) -> Tensor:
        """Item ids (...) of code paths (..., L), exactly; 0 where no item has the path."""
        prefixes, owners = self._paths[member]
        found = torch.ones(codes.shape[:-1], dtype=torch.bool, device=codes.device)
        node = torch.zeros(codes.shape[:-1], dtype=torch.int64, device=codes.device)
        for level, (known, size) in enumerate(zip(prefixes, self.vocab.codebook_sizes, strict=True)):
            code = codes[..., level].to(torch.int64)
            key = node * size + code
            # A code outside its level would alias another prefix's key.
            inside = (code >= 0) & (code < size)
            known = known.to(codes.device)
            node = torch.searchsorted(known, key).clamp(max=len(known) - 1)
            found &= inside & (known[node] == key)
        return torch.where(found, owners.to(codes.device)[node], 0)

    def add(self, embeddings: Tensor, *tokenizers: "FrozenTokenizer") -> "TokenizerBank":
        """A bank with more items, from embeddings (n, D) and the frozen tokenizer of each member; see `new_items.add_items`."""
        from tigerlite.tokenizers.new_items import add_items

        return add_items(self, embeddings, tokenizers)

    def save(self, folder: Path) -> None:
        """Write the bank; `load` reads it back."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"codes": self.codes.to(torch.int32).cpu().contiguous()}, folder / _CODES)
        more = {"provenance": self.provenance} if self.provenance else {}
        (folder / _META).write_text(json.dumps(self._meta() | more))

    @classmethod
    def load(cls, folder: Path) -> "TokenizerBank":
        """Read what `save` wrote.

        Raises:
            InputError: if the folder holds no bank.
        """
        folder = Path(folder)
        if not (folder / _META).is_file() or not (folder / _CODES).is_file():
            raise InputError(f"{folder} holds no tokenizer bank ({_META} and {_CODES})")
        meta = json.loads((folder / _META).read_text())
        vocab = SemanticVocab(tuple(meta["codebook_sizes"]), meta["n_user_tokens"])
        return cls(load_file(folder / _CODES)["codes"], vocab, meta["buckets"], meta.get("provenance", {}))

    def export_letter_index(self, file: Path, item_ids: Sequence[str], member: int = 0) -> None:
        """Write one member as LETTER's index JSON, `item_ids` (N) being the external ids of items 1..N."""
        write_letter_index(file, self.codes[member].cpu().numpy(), item_ids)

    @classmethod
    def import_letter_index(
        cls, file: Path, item_ids: Sequence[str], codebook_sizes: tuple[int, ...] = (), *, buckets: bool = False
    ) -> "TokenizerBank":
        """Read LETTER's index JSON; without `codebook_sizes` a level is as large as its largest code demands."""
        codes = read_letter_index(file, item_ids)
        sizes = codebook_sizes or tuple((codes.max(axis=0) + 1).tolist())
        return cls(torch.from_numpy(codes)[None], SemanticVocab(sizes), buckets)

    @cached_property
    def _paths(self) -> list[tuple[list[Tensor], Tensor]]:
        """Per member: at each level the sorted keys (prefix node * level size + code), and the item of each leaf."""
        members = []
        for codes in self.codes[:, 1:]:
            node = torch.zeros(self.n_items, dtype=torch.int64, device=codes.device)
            prefixes = []
            for level, size in enumerate(self.vocab.codebook_sizes):
                # Nodes are renumbered 0.. at each level, so the keys stay below N * K however many levels there are.
                known, node = torch.unique(node * size + codes[:, level], return_inverse=True)
                prefixes.append(known)
            ids = torch.arange(1, self.n_items + 1, device=codes.device)
            owners = torch.full_like(prefixes[-1], self.n_items + 1).scatter_reduce(0, node, ids, reduce="amin")
            members.append((prefixes, owners))
        return members

    def _meta(self) -> dict[str, object]:
        return {
            "codebook_sizes": list(self.vocab.codebook_sizes),
            "n_user_tokens": self.vocab.n_user_tokens,
            "buckets": self.buckets,
        }


def _require_unique(codes: Tensor, member: int) -> None:
    radix = int(codes.max()) + 1
    if radix ** codes.shape[1] < 2**62:
        # One number per path: sorting numbers is many times as fast as sorting rows.
        numbers = (codes * radix ** torch.arange(codes.shape[1], device=codes.device)).sum(dim=1)
        if len(numbers.unique()) == len(codes):
            return
    _, path, counts = torch.unique(codes, dim=0, return_inverse=True, return_counts=True)
    n_shared = int((counts - 1).sum())
    if n_shared:
        first, second = (path == (counts > 1).nonzero()[0]).nonzero().flatten()[:2].tolist()
        raise InputError(
            f"{n_shared} items of member {member} share a code path, e.g. items {first + 1} and {second + 1} have "
            f"{codes[first].tolist()}; resolve them with tokenize.collisions, or allow buckets"
        )
