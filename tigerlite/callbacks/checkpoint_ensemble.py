"""Many identifiers per item from one run of a tokenizer: the codes at the ends of its last epochs (arXiv 2504.04400, 3.2).

Codes are kept, not weights: M x N x L small integers, taken while the run goes on, so that no checkpoint of every epoch
has to be written and read again. Weights are kept of one epoch, the central one, whose tokenizer encodes new items.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from tigerlite.config import InputError


def window_epochs(n_members: int, interval: int, n_epochs: int) -> list[int]:
    """The epochs (counted from 1) whose ends make the members, oldest first: the last of the run, `interval` apart.

    Raises:
        InputError: if the run is too short.

    >>> window_epochs(3, 10, 100)
    [80, 90, 100]
    """
    needed = (n_members - 1) * interval + 1
    if needed > n_epochs:
        raise InputError(
            f"tokenize.members={n_members} with tokenize.member_interval={interval} needs {needed} epochs of the tokenizer, "
            f"which trains {n_epochs}; raise its epochs (or trainer.max_epochs), or lower one of the two"
        )
    return list(range(n_epochs - needed + 1, n_epochs + 1, interval))


def central_order(n_members: int) -> list[int]:
    """Places 0..M-1 of a window from its centre outwards, the later of two equally far first.

    Identifiers of the centre share most codes with the other members, and a model trained on all members ranks best with
    them; the ends of the window do worst.

    >>> central_order(5), central_order(4)
    ([2, 3, 1, 4, 0], [2, 1, 3, 0])
    """
    centre = (n_members - 1) / 2
    return sorted(range(n_members), key=lambda place: (abs(place - centre), -place))


class CheckpointEnsemble(Callback):
    """Keeps what `export` makes of the module at the end of chosen epochs, and the weights of one of them.

    Everything is in the checkpoints, so a run that is continued inside the window ends with the same members.

    Args:
        epochs: which, counted from 1, ascending.
        export: codes of all items and what else describes a member, by name; called on the first process, in the mode that
            the module is in.
        whole: the epoch whose weights are kept.

    Raises:
        InputError: if `whole` is none of `epochs`.
    """

    def __init__(
        self, epochs: Sequence[int], export: Callable[[LightningModule], dict[str, Tensor]], *, whole: int
    ) -> None:
        if whole not in epochs:
            raise InputError(f"whole={whole} must be one of the epochs {list(epochs)}")
        self._epochs = list(epochs)
        self._export = export
        self._whole = whole
        self._members: dict[int, dict[str, Tensor]] = {}
        self.weights: dict[str, Tensor] = {}
        """State dict of the module at the end of epoch `whole`, on the CPU; empty before."""

    def members(self) -> list[dict[str, Tensor]]:
        """What was exported, epoch by epoch; to be asked on the first process when training has ended.

        Raises:
            InputError: if the run ended before the last of the epochs.
        """
        missing = [epoch for epoch in self._epochs if epoch not in self._members]
        if missing:
            raise InputError(
                f"{len(missing)} of {len(self._epochs)} members are missing (epochs {missing[0]}..{missing[-1]}): the "
                "checkpoint that was continued is of other settings; delete its folder and run again"
            )
        return [self._members[epoch] for epoch in self._epochs]

    def state_dict(self) -> dict[str, Any]:
        """Members and weights so far."""
        return {"members": self._members, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the members of the run that is continued."""
        self._members = {int(epoch): member for epoch, member in state_dict["members"].items()}
        self.weights = dict(state_dict["weights"])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Export, if this epoch is wanted; before the checkpoint of the epoch is written."""
        epoch = trainer.current_epoch + 1
        if epoch not in self._epochs or not trainer.is_global_zero:
            return
        with torch.no_grad():
            self._members[epoch] = {name: value.cpu().clone() for name, value in self._export(pl_module).items()}
        if epoch == self._whole:
            self.weights = {name: value.detach().cpu().clone() for name, value in pl_module.state_dict().items()}
