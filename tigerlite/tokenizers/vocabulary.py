"""Token ids of a recommender: every level's codes, optional user tokens and two specials, without clashes.

Layout: 0 is padding and the decoder's start; then level after level (0-based codes, so that the last code of one level
can never be the first of what follows, a clash that 1-based collision digits have); then user tokens, bos, eos.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tigerlite.config import InputError


@dataclass(frozen=True)
class SemanticVocab:
    """The tokens of L levels.

    Args:
        codebook_sizes: codes per level, L numbers >= 1.
        n_user_tokens: tokens reserved for users (MTGRec, arXiv 2504.04400, uses one that is the same for everybody).

    >>> vocab = SemanticVocab((4, 4, 2), n_user_tokens=1)
    >>> vocab.offsets, vocab.user_token(7), vocab.bos, vocab.eos, vocab.size
    ((1, 5, 9), 11, 12, 13, 14)
    >>> vocab.tokens(torch.tensor([3, 0, 1]))
    tensor([ 4,  5, 10])
    """

    codebook_sizes: tuple[int, ...]
    n_user_tokens: int = 0

    def __post_init__(self) -> None:
        sizes = tuple(int(size) for size in self.codebook_sizes)
        if not sizes or min(sizes) < 1:
            raise InputError(f"codebook_sizes={list(sizes)} must hold at least one level, each of at least one code")
        if self.n_user_tokens < 0:
            raise InputError(f"n_user_tokens={self.n_user_tokens} must be an integer >= 0")
        object.__setattr__(self, "codebook_sizes", sizes)

    @property
    def pad(self) -> int:
        """Padding, and what the decoder starts from."""
        return 0

    @property
    def n_levels(self) -> int:
        """Codes per item, L."""
        return len(self.codebook_sizes)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Token of code 0 at each level, L numbers."""
        return tuple(1 + sum(self.codebook_sizes[:level]) for level in range(self.n_levels))

    @property
    def bos(self) -> int:
        """Begin of sequence."""
        return 1 + sum(self.codebook_sizes) + self.n_user_tokens

    @property
    def eos(self) -> int:
        """End of sequence."""
        return self.bos + 1

    @property
    def size(self) -> int:
        """Rows of an embedding table that holds every token."""
        return self.eos + 1

    @property
    def user(self) -> int:
        """The first user token: the one for everybody where a single one is reserved.

        Raises:
            InputError: if no user tokens are reserved.
        """
        return self.user_token(0)

    def user_token(self, user: int) -> int:
        """The token of a user: the number modulo `n_user_tokens`.

        Raises:
            InputError: if no user tokens are reserved.
        """
        if not self.n_user_tokens:
            raise InputError("n_user_tokens=0 reserves no user token; set tokenize.n_user_tokens to 1 or more")
        return 1 + sum(self.codebook_sizes) + user % self.n_user_tokens

    def tokens(self, codes: Tensor) -> Tensor:
        """Tokens (..., L) of codes (..., L); codes are not checked against their level's size."""
        return codes + self._offsets_like(codes)

    def item_tokens(self, codes: Tensor) -> Tensor:
        """Tokens (..., N + 1, L) of a code table (..., N + 1, L), whose row 0 is that of padding: all its tokens are."""
        tokens = self.tokens(codes)
        tokens[..., 0, :] = self.pad
        return tokens

    def codes(self, tokens: Tensor) -> Tensor:
        """Codes (..., L) of tokens (..., L), the inverse of `tokens`."""
        return tokens - self._offsets_like(tokens)

    def _offsets_like(self, values: Tensor) -> Tensor:
        if values.shape[-1] != self.n_levels:
            raise InputError(f"got {values.shape[-1]} codes per item, the vocabulary has {self.n_levels} levels")
        return torch.tensor(self.offsets, dtype=values.dtype, device=values.device)
