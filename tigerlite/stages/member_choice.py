"""Which of a bank's identifiers per item a recommender trains on: one, several mixed, or several one after the other.

MTGRec (arXiv 2504.04400) pre-trains on all members mixed and fine-tunes a model for each of some of them, from one or several
epochs of pre-training; the one with the best validation NDCG@10 is the result, and the test split is read once, for it. The
released launcher's fine-tuning lists are the central members of the window, which is what `each` takes by default.
"""

import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tigerlite.artifacts import write_json
from tigerlite.callbacks.group_sampling import GroupSampling, GroupSamplingConfig
from tigerlite.config import ConfigError, InputError, check, check_choice, fingerprint
from tigerlite.data.dataset import RecDataset
from tigerlite.data.group_batches import GroupBatches
from tigerlite.distributed import is_rank_zero
from tigerlite.evaluation.drift import plot_probabilities
from tigerlite.evaluation.members import plot_scores
from tigerlite.evaluation.pictures import save_figures
from tigerlite.recommenders.base import Recommender
from tigerlite.recommenders.tiger_config import TIGERConfig
from tigerlite.stages.trainer import BEST
from tigerlite.stages.trainer_config import TrainerConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tracking import Tracker

USES = ("primary", "mixed", "each")
GROUPS_FILE = "groups.json"
CHOICE = "members.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class IdentifiersConfig:
    """Which members of the bank are trained on."""

    use: str = "primary"
    """primary (member 0 alone), mixed (a member drawn for every sample) or each (a model per member, the best of which by
    validation NDCG@10 is kept)."""
    central: int = 0
    """The first so many members, which are the most central; 0 = all with use=mixed, 5 with use=each (MTGRec's lists)."""
    members: tuple[int, ...] = ()
    """These members instead, by number."""
    start_epochs: tuple[int, ...] = ()
    """Used by use=each: a model per member from each of these pre-training epochs (`pretrain.tiger.keep_epochs`) instead of
    from the best by validation."""
    sampling: GroupSamplingConfig = field(default_factory=GroupSamplingConfig)
    """Used by use=mixed."""

    def __post_init__(self) -> None:
        check_choice("use", self.use, USES)
        check(self.central >= 0, "central", self.central, "an integer >= 0")
        if self.central and self.members:
            raise ConfigError(f"central={self.central} and members={list(self.members)} both choose; drop one")
        if self.start_epochs and self.use != "each":
            raise ConfigError(f"start_epochs={list(self.start_epochs)} is for use=each, not {self.use}; drop it")

    @property
    def unused(self) -> tuple[str, ...]:
        """What only several members read."""
        if self.use == "primary":
            return ("central", "members", "start_epochs", "sampling")
        return ("sampling",) if self.use == "each" else ()

    def chosen(self, bank: TokenizerBank) -> TokenizerBank:
        """The bank of the members that are trained on.

        Raises:
            InputError: if a member does not exist.
        """
        if self.use == "primary":
            return bank if bank.n_members == 1 else bank.select([0])
        central = self.central or (bank.n_members if self.use == "mixed" else min(5, bank.n_members))
        return bank.select(self.members or range(central))


def require_same_catalogue(bank: TokenizerBank, dataset: RecDataset) -> None:
    """Refuse a bank of several members that was made for other items.

    Raises:
        InputError: if the catalogue in its provenance is not the data set's.
    """
    catalogue = bank.provenance.get("catalogue")
    if catalogue is not None and catalogue != fingerprint(list(dataset.item_ids)):
        raise InputError(
            f"the bank was made for the catalogue {catalogue}, the data set's is {fingerprint(list(dataset.item_ids))}; "
            "tokenize this data set"
        )


def group_sampling(
    config: IdentifiersConfig, settings: TIGERConfig, bank: TokenizerBank, dataset: RecDataset, trainer: TrainerConfig
) -> GroupSampling | None:
    """The callback that draws members of `bank`, None where it has one.

    Raises:
        InputError: if the weights' precision hides the small steps of influence=directional.
    """
    if bank.n_members == 1:
        return None
    sampling = config.sampling
    batches = None
    if sampling.influence != "uniform":
        whole = sampling.influence == "reference"
        if sampling.influence == "directional" and trainer.resolved("precision") == "bf16-true":
            raise InputError(
                "trainer.precision=bf16-true rounds away the steps of sampling.influence=directional; allowed: 32-true, "
                "bf16-mixed, 16-mixed, 64-true, or another estimator"
            )
        batches = GroupBatches(
            dataset,
            batch_size=max(1, settings.batch_size // trainer.accumulate),  # a share is what the memory holds
            max_history=settings.max_history,
            all_prefixes=settings.is_causal,
            train_share=1.0 if whole else sampling.train_share,
            validation_share=1.0 if whole else sampling.validation_share,
            n_shards=sampling.n_shards,
            seed=settings.seed,
        )
    return GroupSampling(sampling, n_members=bank.n_members, seed=settings.seed, batches=batches)


def track_groups(tracker: Tracker | None, stage: str, records: Sequence[dict[str, Any]], out: Path) -> None:
    """Show in W&B how often members were drawn, and their scores, where matplotlib is installed and there was an update."""
    if tracker is None or not tracker.shows_figures or not records:
        return
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    figures = {"probabilities": plot_probabilities(records), "scores": plot_scores(records)}
    for name, file in save_figures(figures, out).items():
        tracker.figure(stage, name, file)


def best_of_members(
    bank: TokenizerBank,
    starts: Mapping[int | None, Recommender],
    train: Callable[[TokenizerBank, Recommender, Path], Recommender | None],
    out: Path,
) -> Path | None:
    """Train a model per member of `bank` and start, and put the one with the best validation NDCG@10 into `out`.

    Args:
        bank: the chosen members.
        starts: models to start from, by their epoch of pre-training; None where it is the best one.
        train: trains on a bank of one member from a model in a folder; what is finished there is not trained again.
        out: gets a folder per training, `members.json` with all validation scores, and the files of the best.

    Returns:
        `out` on the first process, None on the others.

    Raises:
        InputError: if no model was validated.
    """
    known = bank.provenance.get("members", [{}] * bank.n_members)
    results = []
    for epoch, base in starts.items():
        for member in range(bank.n_members):
            name = f"member-{member}" if epoch is None else f"member-{member}-epoch-{epoch}"
            (out / name).mkdir(parents=True, exist_ok=True)
            if not (out / name / CHOICE).exists():
                train(bank.select([member]), base, out / name)
                if is_rank_zero():
                    score = _validation(out / name / BEST)
                    found = {"member": member, "folder": name, "ndcg@10": score, "source": known[member]}
                    write_json(out / name / CHOICE, found if epoch is None else found | {"start_epoch": epoch})
            if is_rank_zero():
                results.append(json.loads((out / name / CHOICE).read_text()))
                log.info("%s (%s): validation NDCG@10 %.4f", name, known[member], results[-1]["ndcg@10"])
    if not is_rank_zero():
        return None
    best = max(range(len(results)), key=lambda number: results[number]["ndcg@10"])  # the more central of equals
    shutil.copytree(out / results[best]["folder"], out, dirs_exist_ok=True)
    write_json(out / CHOICE, {"chosen": best, "by": "validation ndcg@10", "members": results})
    return out


def best_start_of_members(folder: Path) -> list[Path]:
    """The folder of every member's model in a stage's folder; of several starts the best by validation."""
    best: dict[int, dict[str, Any]] = {}
    for found in json.loads((folder / CHOICE).read_text())["members"]:
        member = found["member"]
        if member not in best or found["ndcg@10"] > best[member]["ndcg@10"]:
            best[member] = found
    return [folder / best[member]["folder"] for member in sorted(best)]


def _validation(checkpoint: Path) -> float:
    """The NDCG@10 by which a checkpoint was chosen."""
    callbacks = torch.load(checkpoint, weights_only=True, map_location="cpu", mmap=True)["callbacks"]
    scores = [state["current_score"] for state in callbacks.values() if state.get("monitor") is not None]
    if not scores or scores[0] is None:
        raise InputError(f"{checkpoint} was not chosen by a validation score; give the data set validation users")
    return float(scores[0])
