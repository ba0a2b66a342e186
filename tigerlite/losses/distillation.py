"""Dual Collaborative Distillation: a teacher's item embeddings guide tokenizer and recommender (UniGRec, arXiv 2601.17438).

Tokenizer side: KL(P_t || P_s) + KL(P_s || P_t), summed over levels, of the code distributions softmax(-d / tau) that the
encoded history and the teacher's vector of the target get from the quantiser. The released code leaves out sign and tau
(the farthest code gets most) and averages over levels; here it is as the paper writes it, but for a tau of its own
(`unigrec.tokenizer_distillation_tau`).

Recommender side: bidirectional InfoNCE over the batch between the decoder's first state and the teacher's vector of the
target. The released code keeps the first sample of each target; here every sample stays an anchor, and samples of the same
target are no negatives of each other, so that no sample is lost and order does not matter. A batch of prefixes holds several
targets of one sequence, which are negatives of each other; a batch of the released code hardly ever does. Both as released:
`released_distillation.py`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, log_softmax, normalize

from tigerlite.distributed import all_gather_cat, all_reduce_sum, is_initialised, own_places, world_size


def symmetric_divergence(student: Sequence[Tensor], teacher: Sequence[Tensor], temperature: Tensor | float) -> Tensor:
    """Sum over levels of both divergences for each row, (B,).

    Args:
        student: per level, squared distances (B, K) to the codes.
        teacher: the same of the teacher's vectors.
        temperature: tau > 0.
    """
    total = torch.zeros(len(student[0]), device=student[0].device)
    for ours, theirs in zip(student, teacher, strict=True):
        log_s, log_t = (log_softmax(-distances.float() / temperature, dim=1) for distances in (ours, theirs))
        # Both divergences together: sum (p_t - p_s) (log p_t - log p_s).
        total = total + ((log_t.exp() - log_s.exp()) * (log_t - log_s)).sum(dim=1)
    return total


def info_nce(states: Tensor, teachers: Tensor, items: Tensor, temperature: float) -> Tensor:
    """Mean over the batch of all processes of CE(state -> teacher) + CE(teacher -> state), cosine similarity over tau.

    Args:
        states: (B, C), trained.
        teachers: (B, C), frozen.
        items: (B,), which item each row is about; rows of the same item are no negatives of each other.
        temperature: tau (.07 in UniGRec).
    """
    with torch.autocast(states.device.type, enabled=False):
        similarities, everywhere = gathered_similarities(states, teachers, items)
        rows = torch.arange(len(everywhere), device=items.device)
        repeats = (everywhere[:, None] == everywhere) & (rows[:, None] != rows)
        similarities = (similarities / temperature).masked_fill(repeats, -torch.inf)
        loss = cross_entropy(similarities, rows) + cross_entropy(similarities.T, rows)
    return as_sum_over_processes(loss)


def gathered_similarities(states: Tensor, teachers: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines (A, A) of the states and teachers of the A rows of all processes, and their items (A,).

    Only this process's states (B, C) get a gradient.
    """
    ours, theirs = normalize(states.float(), dim=1), normalize(teachers.detach().float(), dim=1)
    places = own_places(len(items), items.device)
    # Gathering carries no gradient; the own rows are put back with theirs.
    ours = all_gather_cat(ours.detach()).index_copy(0, places, ours)
    return linear(ours, all_gather_cat(theirs)), all_gather_cat(items)


def as_sum_over_processes(loss: Tensor) -> Tensor:
    """The loss of all processes' rows, with the gradient of the own ones times the number of processes.

    ddp averages gradients over processes; the sum of the shares is what such a loss asks for.
    """
    if not is_initialised():
        return loss
    return loss + (world_size() - 1) * (loss - loss.detach())


def mean_over_processes(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over the rows of all processes, of values (B, ...) with weights (B,), which get no gradient.

    >>> mean_over_processes(torch.tensor([1.0, 5.0]), torch.tensor([3.0, 1.0]))
    tensor(2.)
    """
    own = torch.tensordot(weights.to(values.dtype), values, dims=1)
    everything = all_reduce_sum(torch.cat([own.detach().flatten(), weights.sum().to(values.dtype)[None]]))
    total = own - own.detach() + everything[:-1].view_as(own)
    return as_sum_over_processes(total / everything[-1])
