"""Which of its M identifiers an item gets in training: member m ~ Cat(p), for history and target alike (arXiv 2504.04400).

Codes of all members lie below each other in one table of M * (N + 1) rows, so that "item i under member m" is row
m * (N + 1) + i, and everything that looks up codes by item id works on rows as it is. Row i of the first N + 1 is the
primary member: item ids that nobody moved mean member 0.

A draw is a hash of (seed, epoch, step, place in the step's batch), so it does not depend on how many processes share the
batch, in how many passes it is taken, or whether the run was interrupted; and it needs no generator on the device.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tigerlite.config import InputError
from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.data.sequences import Batch

DRAWS = ("sample", "batch", "epoch")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where training stands: which part of which step's batch is being taken."""

    seed: int = 0
    epoch: int = 0
    step: int = 0
    """Optimizer step of the epoch."""
    part: int = 0
    """Of the step's batch: rows part, part + n_parts, ... of it."""
    n_parts: int = 1
    """Processes x passes per step."""


class MemberDraw(nn.Module):
    """Draws a member for every sample and moves item ids to its rows.

    Args:
        n_members: M.
        n_items: N.
    """

    def __init__(self, n_members: int, n_items: int) -> None:
        super().__init__()
        self.n_members = n_members
        self.n_rows = n_items + 1
        self.place = Place()
        self.unit = "sample"
        """What shares a draw: each sample (a whole sequence where all its prefixes are trained), a step's batch, an epoch."""
        self.register_buffer("probabilities", torch.full((n_members,), 1 / n_members), persistent=False)

    def set_probabilities(self, probabilities: Tensor) -> None:
        """Draw member m with probability p_m from now on.

        Raises:
            InputError: if `probabilities` (M,) are no distribution over the members.
        """
        given = probabilities.detach().to(self.probabilities)
        if given.shape != self.probabilities.shape or not (given >= 0).all() or abs(float(given.sum()) - 1) > 1e-4:
            raise InputError(
                f"probabilities {probabilities.tolist()} are no distribution over {self.n_members} members; give as many "
                "numbers >= 0 that sum to 1"
            )
        self.probabilities.copy_(given)

    def members(self, n_samples: int) -> Tensor:
        """A member for each sample of the part of a batch that `place` names, (B,) int64."""
        place, device = self.place, self.probabilities.device
        index = torch.zeros(n_samples, dtype=torch.int64, device=device)
        step = place.step
        if self.unit == "sample":
            index = torch.arange(n_samples, device=device) * place.n_parts + place.part
        elif self.unit == "epoch":
            step = 0
        uniform = hashed_uniform(index, (place.seed, place.epoch, step))
        # The sum of p may be a rounding error below the largest number that is drawn.
        found = torch.searchsorted(self.probabilities.cumsum(0), uniform, right=True)
        return found.clamp(max=int(self.n_members) - 1)

    def assign(self, batch: Batch | PrefixBatch, member: int | None = None) -> Batch | PrefixBatch:
        """The batch with rows for item ids: of drawn members, or all of one member. With one member the batch itself."""
        if self.n_members == 1:
            return batch
        items = batch.sequences if isinstance(batch, PrefixBatch) else batch.histories
        chosen = self.members(len(items)) if member is None else items.new_full((len(items),), member)
        first = chosen * self.n_rows
        moved = items + (items > 0) * first[:, None]  # padding stays 0
        if isinstance(batch, PrefixBatch):
            return batch._replace(sequences=moved)
        return batch._replace(histories=moved, targets=batch.targets + first)


def hashed_uniform(index: Tensor, key: tuple[int, ...]) -> Tensor:
    """Numbers in [0, 1), float32, that follow from (key, index) alone, of the shape of `index` int64.

    >>> first = hashed_uniform(torch.arange(4), (0, 1))
    >>> bool((first[2:] == hashed_uniform(torch.tensor([2, 3]), (0, 1))).all())
    True
    """
    state = 0
    for part in key:
        state = _mix_number(state ^ (part % 2**64))
    mixed = index * _signed(_GOLDEN) + _signed(state)  # int64 wraps around, as the 64-bit arithmetic it stands for
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        mixed = (mixed ^ _shifted(mixed, shift)) * _signed(factor)
    mixed = mixed ^ _shifted(mixed, 31)
    return _shifted(mixed, 40).to(torch.float32) * 2.0**-24


# SplitMix64: neighbouring inputs give unrelated outputs.
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def _mix_number(number: int) -> int:
    mixed = (number + _GOLDEN) % 2**64
    mixed = (mixed ^ (mixed >> 30)) * _FIRST % 2**64
    mixed = (mixed ^ (mixed >> 27)) * _SECOND % 2**64
    return mixed ^ (mixed >> 31)


def _signed(number: int) -> int:
    """The int64 with the bits of an unsigned 64-bit number."""
    return number - 2**64 if number >= 2**63 else number


def _shifted(numbers: Tensor, bits: int) -> Tensor:
    """A right shift that fills with zeros; torch's fills with the sign."""
    return (numbers >> bits) & (2 ** (64 - bits) - 1)
