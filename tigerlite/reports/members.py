"""`tigerlite report members RUN`: what several identifiers per item brought, and what they cost.

Prints the drift of the codes (arXiv 2504.04400, table 5), the updates of the draws, the validation score of every fine-tuned
member, and an efficiency table; draws `drift.png`, `probabilities.png`, `scores.png` and `members.png` into the run's folder.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tigerlite.config import InputError
from tigerlite.evaluation.curves import FILE, read_curves
from tigerlite.evaluation.drift import Drift, plot_drift, plot_probabilities
from tigerlite.evaluation.members import member_label, plot_choice, plot_scores
from tigerlite.evaluation.pictures import save_figures
from tigerlite.reports.run_folders import picture_folder
from tigerlite.reports.terminal import console, print_table
from tigerlite.run_file import read_run
from tigerlite.stages.member_banks import DRIFT, MEMBERS
from tigerlite.stages.member_choice import CHOICE, GROUPS_FILE
from tigerlite.stages.pipeline_config import STAGES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRIFT_COLUMNS = ("gap (epochs)", "pairs", "first code %", "any code %", "by level %")
UPDATE_COLUMNS = ("after epoch", "p", "distance from uniform", "noise p-value", "drawn", "seconds", "epochs' worth")
COST_COLUMNS = ("part", "epochs", "updates", "seconds", "share of all")


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Flags of `tigerlite report members RUN`."""

    pictures: bool = True
    """Draw the pictures; needs matplotlib."""


@dataclass(frozen=True)
class MembersOfRun:
    """What a run's folders say about its identifiers per item; empty where it has no such part."""

    drifts: list[Drift]
    updates: list[dict[str, Any]]
    choice: dict[str, Any]


def read_members(run: Path) -> MembersOfRun:
    """The drift, the updates of the draws and the choice of a member, from the folders of a run.

    Raises:
        InputError: if the run has one identifier per item.
    """
    folders = read_run(run)
    if "tokenize" not in folders or not (folders["tokenize"] / MEMBERS).is_file():
        raise InputError(f"{run} has one identifier per item; set tokenize.members=M for several")
    trained = [folders[name] for name in ("pretrain", "finetune") if name in folders]
    updates = [_read(folder / GROUPS_FILE) for folder in trained if (folder / GROUPS_FILE).is_file()]
    choices = [_read(folder / CHOICE) for folder in trained if (folder / CHOICE).is_file()]
    drift = folders["tokenize"] / DRIFT
    return MembersOfRun(
        drifts=[Drift(**row) for row in _read(drift)] if drift.is_file() else [],
        updates=updates[0] if updates else [],
        choice=choices[0] if choices else {},
    )


def report(run: Path, flags: Flags) -> None:
    """Print the tables and draw the pictures that the run has something to show in.

    Raises:
        InputError: if the run has one identifier per item.
    """
    found = read_members(run)
    if found.drifts:
        print_table("Items whose code differs between two epochs", DRIFT_COLUMNS, drift_rows(found.drifts))
    if found.updates:
        print_table("How often members are drawn", UPDATE_COLUMNS, update_rows(found.updates))
    if found.choice:
        columns = ("member", "ndcg@10 (validation)", "")
        print_table("Fine-tuned members", columns, choice_rows(found.choice))
    print_table("Cost", COST_COLUMNS, cost_rows(read_run(run), found.updates))
    if flags.pictures:
        files = save_figures(member_figures(found), picture_folder(run))
        console().print(f"Pictures: {', '.join(map(str, files.values())) or 'none'}", soft_wrap=True)


def member_figures(found: MembersOfRun) -> dict[str, "Figure"]:
    """All pictures by name.

    Raises:
        InputError: without matplotlib.
    """
    figures = {"drift": plot_drift(found.drifts)} if found.drifts else {}
    if found.updates:
        figures |= {"probabilities": plot_probabilities(found.updates), "scores": plot_scores(found.updates)}
    if found.choice:
        figures["members"] = plot_choice(found.choice)
    return figures


def drift_rows(drifts: Sequence[Drift]) -> Iterator[tuple[str, ...]]:
    """A row per gap."""
    for drift in drifts:
        levels = " ".join(f"{100 * share:.2f}" for share in drift.levels)
        yield (str(drift.gap), str(drift.n_pairs), f"{100 * drift.first:.2f}", f"{100 * drift.any:.2f}", levels)


def update_rows(updates: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """A row per update of the draws."""
    for record in updates:
        yield (
            str(record["epoch"]),
            f"{min(record['p']):.4f} to {max(record['p']):.4f}",
            f"{record['distance_from_uniform']:.4f}",
            f"{record['noise_p_value']:.3f}",
            "uniformly" if record["stayed_uniform"] else "by score",
            f"{record['seconds']:.1f}",
            f"{record['epoch_equivalents']:.2f}",
        )


def choice_rows(choice: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row per fine-tuned member."""
    for number, found in enumerate(choice["members"]):
        chosen = "chosen" if number == choice["chosen"] else ""
        yield (member_label(found), f"{found['ndcg@10']:.4f}", chosen)


def cost_rows(folders: Mapping[str, Path], updates: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Epochs, optimizer steps and seconds of every stage; of the influence updates within pre-training; shares of the sum.

    A member's fine-tuning adds its epochs to those of its stage. Seconds are of the process that finished the stage.
    """
    order = sorted(folders, key=STAGES.index)
    seconds = {name: _read(folders[name] / "provenance.json")["seconds"] for name in order}
    total = sum(seconds.values()) or 1.0
    for name, spent in seconds.items():
        epochs, steps = _trained(folders[name])
        counted = (f"{epochs:,}", f"{steps:,}") if epochs else ("", "")
        yield (name, *counted, f"{spent:,.1f}", f"{spent / total:.1%}")
        if name == "pretrain" and updates:
            influence = sum(record["seconds"] for record in updates)
            worth = sum(record["epoch_equivalents"] for record in updates)
            label = f"- influence: {len(updates)} updates, {influence / max(spent, 1e-9):.1%} of pretrain"
            yield (label, f"{worth:.2f}", "", f"{influence:,.1f}", f"{influence / total:.1%}")
    yield ("all", "", "", f"{total:,.1f}", "")


def _trained(folder: Path) -> tuple[int, int]:
    """Epochs and optimizer steps of a stage, over all members where it trained several."""
    epochs = steps = 0
    for place in sorted(folder.glob("member-*")) or [folder]:
        if (place / FILE).is_file():
            curve = read_curves(place).get("epoch")
            epochs += 0 if curve is None else int(curve.values[-1]) + 1
            steps += 0 if curve is None else int(curve.steps[-1]) + 1
    return epochs, steps


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
