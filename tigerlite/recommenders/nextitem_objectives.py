"""What next-item networks are trained on: positions of a sequence, masked items, or S3-Rec's four self-supervised tasks.

A step adds the losses of its batch up and divides by the targets of the whole batch, so that no sequence weighs more
where several processes share it; masks follow from the sequence alone (`masking.py`). What a loss is contrasted with does
depend on the share: negatives come from torch's generator, and S3-Rec's other segments from the share's own sequences.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.losses.next_item import uniform_negatives
from tigerlite.recommenders.baselines.bert4rec import BERT4RecConfig
from tigerlite.recommenders.baselines.masking import cloze_mask, hashed_uniform, last_place, segments
from tigerlite.recommenders.baselines.s3rec import S3Rec, S3RecObjectives


class Draw(NamedTuple):
    """What masks follow from, beside the sequence."""

    seed: int
    epoch: int


class ClozeTargets(NamedTuple):
    """Masked items of a batch, row by row."""

    states: Tensor
    """(M, D)."""
    items: Tensor
    """(M,) what was there."""
    weights: Tensor
    """(M,); those of a row add up to its number of targets."""


def cloze_targets(
    network: nn.Module, batch: PrefixBatch, config: BERT4RecConfig, mask_id: int, draw: Draw
) -> ClozeTargets:
    """Masked items of every sequence and the states that predict them.

    A sequence of a batch has n_r targets (for the other networks: all its items but the first, or but the context of a
    chunk). Its masked items share that weight, however many they are.
    """
    sequences = batch.sequences
    masked = cloze_mask(
        sequences, share=config.mask_share, last_share=config.last_share, seed=draw.seed, epoch=draw.epoch
    )
    states = network(sequences.masked_fill(masked, mask_id))
    n_targets = (sequences > 0).sum(dim=1) - batch.first
    weights = (n_targets / masked.sum(dim=1))[:, None].expand_as(masked)
    return ClozeTargets(states[masked], sequences[masked], weights[masked])


def self_supervised_losses(
    network: S3Rec, objectives: S3RecObjectives, batch: PrefixBatch, n_items: int, draw: Draw
) -> Tensor:
    """Weighted losses of AAP, MIP, MAP and SP (arXiv 2008.07873, section 4.3), one after the other.

    Each item is masked with probability `mask_share`, the last one always, as in the authors' code: that is the question
    the model is validated with. As there, attributes of observed items are AAP's, those of masked items MAP's; SP takes a
    run of at most half the items out and contrasts it with as many of the sequence before in the batch (there: of a random
    place in all sequences); a batch of one sequence has no other, and no loss of SP. Sums over items, as there, so that the
    weights mean what they mean there; a step divides by the batch's targets.
    """
    sequences, mask_id = batch.sequences, n_items + 1
    drawn = hashed_uniform(sequences, draw.seed, draw.epoch) < objectives.config.mask_share
    masked = (drawn | last_place(sequences)) & (sequences > 0)
    seen = (sequences > 0) & ~masked
    states = network.cloze_states(sequences.masked_fill(masked, mask_id))
    hidden, table = sequences[masked], network.item_embeddings
    negatives = uniform_negatives(hidden, 1, n_items).squeeze(1)
    return torch.cat(
        [
            objectives.attribute_losses(states[seen], sequences[seen], masked=False),
            objectives.attribute_losses(states[masked], hidden, masked=True),
            objectives.item_losses(states[masked], F.embedding(hidden, table), F.embedding(negatives, table)),
            objectives.segment_losses(*_segment_states(network, sequences, mask_id, draw)) * (len(sequences) > 1),
        ]
    )


def _segment_states(network: S3Rec, sequences: Tensor, mask_id: int, draw: Draw) -> tuple[Tensor, ...]:
    """Last states (B, D) of each sequence without a segment, of the segment, and of another one in its place."""
    segment = segments(sequences, seed=draw.seed, epoch=draw.epoch)
    rest = (sequences > 0) & ~segment
    lengths = (sequences > 0).sum(dim=1)
    places = torch.arange(sequences.shape[1], device=sequences.device)
    # The row before begins anew where it is shorter.
    other = sequences.roll(1, 0).gather(1, places % lengths.roll(1, 0).clamp(min=1)[:, None])
    read = [
        sequences.masked_fill(segment, mask_id),
        sequences.masked_fill(rest, mask_id),
        torch.where(segment, other, sequences.masked_fill(rest, mask_id)),
    ]
    last = (lengths - 1).clamp(min=0).repeat(3)
    states = network.cloze_states(torch.cat(read))  # (3*B, T, D)
    return states[torch.arange(len(states), device=states.device), last].chunk(3)
