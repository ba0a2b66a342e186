"""What UniGRec trains on beside sequences: the soft tokenizer, the embeddings that it reads, and a teacher."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import pad

from tigerlite.config import InputError
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE
from tigerlite.tokenizers.vocabulary import SemanticVocab


@dataclass(frozen=True, eq=False)
class SoftIdentifiers:
    """A trained soft tokenizer with its items.

    Raises:
        InputError: if the embeddings do not fit the tokenizer, or the teacher the items.
    """

    tokenizer: SoftRQVAE
    embeddings: Tensor
    """(N, D), row i is item id i + 1."""
    teacher: Tensor | None = None
    """(N, C) item embeddings to distil from, in the same order."""

    def __post_init__(self) -> None:
        if self.embeddings.ndim != 2 or self.embeddings.shape[1] != self.tokenizer.n_dimensions:
            raise InputError(
                f"embeddings have shape {tuple(self.embeddings.shape)} but the tokenizer reads (N, "
                f"{self.tokenizer.n_dimensions}); give those that it was trained on"
            )
        if self.teacher is not None and len(self.teacher) != len(self.embeddings):
            raise InputError(
                f"the teacher has {len(self.teacher)} items but the embeddings {len(self.embeddings)}; train a teacher on "
                f"this data set"
            )

    @property
    def n_items(self) -> int:
        """N."""
        return len(self.embeddings)

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits over weights, temperature, embeddings and teacher."""
        digest = hashlib.sha256()
        tensors = {**self.tokenizer.state_dict(), ".embeddings": self.embeddings}
        if self.teacher is not None:
            tensors[".teacher"] = self.teacher
        for name, value in sorted(tensors.items()):
            digest.update(f"{name}{tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    @torch.no_grad()
    def inputs(self) -> Tensor:
        """Normalised inputs (N + 1, D) of the tokenizer; row 0 belongs to padding."""
        return pad(self.tokenizer.normalise(self.embeddings.float()), (0, 0, 1, 0))


def code_table(bank: TokenizerBank, tokenizer: SoftRQVAE, digits: int) -> TokenizerBank:
    """The tokenizer's bank with room for `digits` digits, so that groups may grow while the tokenizer trains.

    Raises:
        InputError: if the bank is not the tokenizer's codes with a digit, or has more digits.
    """
    sizes = bank.vocab.codebook_sizes
    if bank.n_members != 1 or sizes[:-1] != tuple(tokenizer.codebook_sizes):
        raise InputError(
            f"method=unigrec needs one identifier per item, the tokenizer's {list(tokenizer.codebook_sizes)} codes and a "
            f"digit, but the bank has {bank.n_members} of levels {list(sizes)}; set tokenize.method=soft_rqvae and "
            f"tokenize.collisions=rank_digit"
        )
    # The level may be larger than these items need: it has room for the largest group of every member of the tokenizer's run.
    needed = int(bank.codes[..., -1].max()) + 1
    if needed > digits:
        raise InputError(
            f"{needed} items share their codes but unigrec.digits={digits}; raise it, or spread the codes with "
            f"tokenize.soft_rqvae.uniformity_weight"
        )
    return TokenizerBank(bank.codes, SemanticVocab((*sizes[:-1], digits)))
