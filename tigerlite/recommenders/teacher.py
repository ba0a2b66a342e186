"""The item embeddings of a trained recommender as a file that others learn from: `item_embeddings.safetensors`.

LETTER (arXiv 2405.07314) aligns codes with them, UniGRec (2601.17438) distils from them, and the `fuse` stage puts them
beside the text. Published teachers are bare matrices, which another order of items turns into noise without an error;
here the file also holds a fingerprint of the item ids in their order.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tigerlite.config import InputError

FILE = "item_embeddings.safetensors"
_ORDER, _COUNT = "item_order", "n_items"


def item_order(item_ids: Sequence[str]) -> str:
    """Sixteen hex digits that name external item ids in this order.

    >>> item_order(["a", "b"]) == item_order(["b", "a"])
    False
    """
    return hashlib.sha256(json.dumps(list(item_ids)).encode()).hexdigest()[:16]


def save_teacher(file: Path, embeddings: Tensor, item_ids: Sequence[str]) -> None:
    """Write embeddings (N, C), row i for item id i + 1, with the order that they are in."""
    stored = {"embeddings": embeddings.detach().float().cpu().contiguous()}
    save_file(stored, file, metadata={_ORDER: item_order(item_ids), _COUNT: str(len(item_ids))})


@dataclass(frozen=True, eq=False)
class Teacher:
    """Embeddings (N, C) of a catalogue's items, row i for item id i + 1."""

    embeddings: Tensor

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits over the shape and every number."""
        shape = repr(tuple(self.embeddings.shape)).encode()
        return hashlib.sha256(shape + self.embeddings.numpy().tobytes()).hexdigest()[:16]


def load_teacher(file: Path, item_ids: Sequence[str]) -> Teacher:
    """The teacher in a file, checked to be of these items in this order.

    Raises:
        InputError: if the file is missing or broken, or was made for other items or another order.
    """
    try:
        with safe_open(file, framework="pt") as stored:
            metadata, embeddings = stored.metadata() or {}, stored.get_tensor("embeddings")
    except FileNotFoundError:
        raise InputError(f"teacher {file} does not exist; train one with --teacher.enabled=true") from None
    except SafetensorError as error:
        raise InputError(f"teacher {file} cannot be read ({error}); train it again") from None
    if metadata.get(_ORDER) != item_order(item_ids):
        raise InputError(
            f"teacher {file} was trained on {metadata.get(_COUNT, 'an unknown number of')} items in another order or of "
            f"another catalogue than the {len(item_ids)} items here; train a teacher on this data set"
        )
    if not torch.isfinite(embeddings).all():
        raise InputError(f"teacher {file} holds NaN or infinity; train it again with a lower learning rate")
    return Teacher(embeddings)
