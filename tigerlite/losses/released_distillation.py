"""UniGRec's distillations as its released code computes them (arXiv 2601.17438), for comparison with `distillation.py`.

Tokenizer side: the latents go through the codebooks by the hard chain (the nearest vector is subtracted), the distributions are
softmax(+d), the farthest code getting most, without a temperature; both divergences are averaged over levels. Both sides: of
each item only the first sample of the batch counts, as anchor and as negative.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tigerlite.distributed import all_gather_cat, own_places
from tigerlite.losses.distillation import (
    as_sum_over_processes,
    gathered_similarities,
    mean_over_processes,
    symmetric_divergence,
)


def is_first(items: Tensor) -> Tensor:
    """(B,) bool: whether no earlier row is about the same item.

    >>> is_first(torch.tensor([4, 2, 4, 9])).tolist()
    [True, True, False, True]
    """
    return ~(items[:, None] == items).tril(-1).any(dim=1)


def released_divergence(student: Sequence[Tensor], teacher: Sequence[Tensor], items: Tensor) -> Tensor:
    """Mean over levels and the batch's different items of both divergences of softmax(+d).

    Args:
        student: per level, squared distances (B, K) to the codes.
        teacher: the same of the teacher's vectors.
        items: (B,), which item each row is about.
    """
    # A temperature of -1 turns softmax(-d / tau) into softmax(+d).
    rows = symmetric_divergence(student, teacher, -1.0) / len(student)
    first = is_first(all_gather_cat(items))[own_places(len(items), items.device)]
    return mean_over_processes(rows, first.float())


def released_info_nce(states: Tensor, teachers: Tensor, items: Tensor, temperature: float) -> Tensor:
    """`info_nce` among the first samples of each item.

    Args:
        states: (B, C), trained.
        teachers: (B, C), frozen.
        items: (B,), which item each row is about.
        temperature: tau (.07).
    """
    with torch.autocast(states.device.type, enabled=False):
        similarities, everywhere = gathered_similarities(states, teachers, items)
        first = is_first(everywhere)
        similarities = similarities[first][:, first] / temperature
        rows = torch.arange(len(similarities), device=items.device)
        loss = cross_entropy(similarities, rows) + cross_entropy(similarities.T, rows)
    return as_sum_over_processes(loss)
