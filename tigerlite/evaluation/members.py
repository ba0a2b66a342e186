"""Pictures of training on several identifiers per item: influence scores, and how well each member does after fine-tuning."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tigerlite.config import InputError
from tigerlite.evaluation.canvas import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_scores(records: Sequence[Mapping[str, Any]]) -> "Figure":
    """The influence score of each member, update by update, from the records in a stage's `groups.json`.

    Scores are shown less their mean over the members: the softmax that p comes from does not see it, and it is many times
    as large as the differences.

    Raises:
        InputError: without matplotlib, or if there was no update.
    """
    if not records:
        raise InputError(
            "there are no updates to plot; set identifiers.sampling.influence and warmup_epochs below epochs"
        )
    figure, (axes,) = panels(1, width=5.5, height=3.2)
    scores = np.array([record["scores"] for record in records])  # (updates, M)
    epochs = [record["epoch"] for record in records]
    for member, line in enumerate((scores - scores.mean(axis=1, keepdims=True)).T):
        axes.plot(epochs, line, marker=".", label=str(member))
    axes.axhline(0, color="black", linewidth=0.8, linestyle="--")
    axes.set(
        xlabel="epoch of the update", ylabel="score less the mean over members", xticks=epochs[:: len(epochs) // 12 + 1]
    )
    axes.legend(title="member", frameon=False, fontsize=7, ncols=2)
    return figure


def plot_choice(choice: Mapping[str, Any]) -> "Figure":
    """Validation NDCG@10 of every fine-tuned member, the chosen one in colour, from a stage's `members.json`.

    The members of one tokenizer stand in the order of their epochs, so that a hump in the middle of the window can be seen, and
    those that start from one epoch of pre-training side by side.

    Args:
        choice: `chosen` (a number) and `members`: `member`, `ndcg@10`, `source` (epoch or seed) and, where there are several,
            `start_epoch` of each.

    Raises:
        InputError: without matplotlib.
    """
    figure, (axes,) = panels(1, width=max(4.5, 1.0 * len(choice["members"])), height=3.2)
    members = sorted(enumerate(choice["members"]), key=lambda entry: _order(*entry))
    for place, (number, found) in enumerate(members):
        axes.bar(place, found["ndcg@10"], 0.7, color="C0" if number == choice["chosen"] else "lightgrey")
    axes.set_xticks(range(len(members)), [member_label(found, "\n") for _, found in members])
    axes.set(ylabel="NDCG@10 (validation)", ylim=(0, None), title="fine-tuned members; blue is chosen")
    return figure


def member_label(found: Mapping[str, Any], separator: str = ", ") -> str:
    """What a fine-tuned member is called: its number, the epoch or seed of its tokenizer, and where it started.

    >>> member_label({"member": 0, "source": {"epoch": 60}}), member_label({"member": 2, "source": {}, "start_epoch": 90})
    ('member 0, epoch 60', 'member 2, from epoch 90')
    """
    parts = [f"member {found['member']}"]
    parts += [f"{kind} {found['source'][kind]}" for kind in ("epoch", "seed") if kind in found["source"]]
    parts += [f"from epoch {found['start_epoch']}"] if "start_epoch" in found else []
    return separator.join(parts)


def _order(number: int, found: Mapping[str, Any]) -> tuple[int, int]:
    return found.get("start_epoch", 0), found["source"].get("epoch", number)
