"""Banks of many identifiers per item: the last epochs of one tokenizer, or tokenizers of different seeds.

`checkpoints` is MTGRec's (arXiv 2504.04400): neighbouring epochs differ in few codes, so a model trained on all of them
sees related views of an item. `independent` is its control: M tokenizers that share nothing but the data. Collisions are
resolved within each member; all members share one vocabulary, whose level of rank digits is as large as the largest group
of any member.

Departures from the released code: it re-reads M checkpoints of the tokenizer and fits the whitening again; here the codes
are taken during the run. Members stand from the centre of the window outwards (`central_order`), so that member 0, what is
served and validated, is the central epoch and not the last. Those of a soft tokenizer (UniGRec) stand from the last epoch
backwards: its temperature falls, and only the last one's is read from then on.
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tigerlite.artifacts import write_json
from tigerlite.callbacks.checkpoint_ensemble import CheckpointEnsemble, central_order
from tigerlite.config import fingerprint
from tigerlite.distributed import is_rank_zero
from tigerlite.evaluation.codes import collision_rate
from tigerlite.evaluation.drift import code_drift
from tigerlite.stages.resolve import Coded
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.collisions import Resolved
from tigerlite.tokenizers.rqvae import RQVAE
from tigerlite.tokenizers.saved import saved_fingerprint
from tigerlite.tokenizers.soft_training import SoftTraining
from tigerlite.tokenizers.space import AdditiveSpace
from tigerlite.tokenizers.vocabulary import SemanticVocab

MEMBERS = "members.json"
DRIFT = "drift.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Member:
    """One identifier per item and where it came from."""

    codes: np.ndarray
    """(N, L) before collisions were resolved."""
    resolved: Resolved
    """Unique paths."""
    source: dict[str, Any]
    """Epoch or seed of the tokenizer."""


def member_bank(members: Sequence[Member], item_ids: Sequence[str], maker: str | None = None) -> TokenizerBank:
    """One bank of all members, in their order, with the provenance of each.

    Args:
        members: of the same items; levels may differ in size, as rank digits do.
        item_ids: external ids of items 1..N; their fingerprint names the catalogue.
        maker: fingerprint of member 0's tokenizer, the one that is kept.
    """
    resolved = [member.resolved for member in members]
    sizes = tuple(int(size) for size in np.max([found.codebook_sizes for found in resolved], axis=0))
    codes = np.stack([np.concatenate([np.zeros_like(found.codes[:1]), found.codes]) for found in resolved])
    described = [describe(member) | {"tokenizer": None} for member in members]
    described[0]["tokenizer"] = maker
    provenance = {"catalogue": fingerprint(list(item_ids)), "members": described}
    return TokenizerBank(torch.from_numpy(codes), SemanticVocab(sizes), provenance=provenance)


def describe(member: Member) -> dict[str, Any]:
    """Source and collisions of a member, as JSON holds them."""
    return {
        **member.source,
        "n_distinct": member.resolved.n_distinct,
        "largest_group": member.resolved.largest_group,
        "collision_rate": collision_rate(member.codes),
    }


def write_bank(members: Sequence[Member], item_ids: Sequence[str], out: Path) -> None:
    """Save the bank of all members in `out`, `members.json`, which describes each, and for the epochs of one run how far the
    codes drift (`drift.json`, before collisions were resolved); the first process calls it."""
    first = out / "member-0"
    if first.exists():
        RQVAE.load(first).save(out)
    member_bank(members, item_ids, saved_fingerprint(out)).save(out)
    write_json(out / MEMBERS, [describe(member) for member in members])
    epochs = [member.source["epoch"] for member in members if "epoch" in member.source]
    if len(epochs) == len(members):
        drifts = code_drift(np.stack([member.codes for member in members]), epochs)
        write_json(out / DRIFT, [asdict(drift) for drift in drifts])
        for drift in drifts:
            log.info("gap of %d epochs: first code %.2f %%, any %.2f %%", drift.gap, 100 * drift.first, 100 * drift.any)


def member_window(epochs: Sequence[int], matrix: np.ndarray, *, with_latents: bool) -> CheckpointEnsemble:
    """The callback that exports the codes of all items at the ends of `epochs`, and keeps the central tokenizer.

    Args:
        epochs: of the members, oldest first.
        matrix: (N, D) embeddings of all items.
        with_latents: export what `nearest_free` measures distance by too.
    """
    embeddings = torch.from_numpy(matrix)

    def export(model: RQVAE) -> dict[str, torch.Tensor]:
        parts = {"codes": model.encode(embeddings)}
        if with_latents:
            parts["latents"] = model.latents(embeddings)
            parts |= {f"codebook{level}": book.vectors for level, book in enumerate(model.quantizer.codebooks)}
        return parts

    return CheckpointEnsemble(epochs, export, whole=epochs[central_order(len(epochs))[0]])


def soft_window(epochs: Sequence[int], matrix: np.ndarray) -> CheckpointEnsemble:
    """The same for a soft tokenizer, codes alone; what is kept is the last epoch's."""
    embeddings = torch.from_numpy(matrix).float()

    def export(model: SoftTraining) -> dict[str, torch.Tensor]:
        return {"codes": model.tokenizer.encode(embeddings)}

    return CheckpointEnsemble(epochs, export, whole=epochs[-1])


def exported_codes(config: TokenizeConfig, parts: dict[str, torch.Tensor]) -> Coded:
    """What the callback of `member_window` kept of one epoch."""
    space = None
    if "latents" in parts:
        codebooks = [parts[f"codebook{level}"].numpy() for level in range(parts["codes"].shape[1])]
        space = AdditiveSpace(parts["latents"].numpy(), codebooks)
    return Coded(parts["codes"].numpy(), config.rqvae.codebook_sizes, space)


def from_window(epochs: Sequence[int], coded: Sequence[Coded], resolve: Callable[[Coded], Resolved]) -> list[Member]:
    """The members of one run, from the centre of the window outwards.

    Args:
        epochs: of the members, oldest first.
        coded: codes of all items at each of them.
        resolve: makes paths unique.
    """
    return [
        Member(coded[place].codes, resolve(coded[place]), {"epoch": epochs[place]})
        for place in central_order(len(epochs))
    ]


def independent_members(n_members: int, out: Path, train: Callable[[int, Path], Member | None]) -> list[Member]:
    """Members of `n_members` runs, each in a folder of its own; a finished one is not trained again.

    Args:
        n_members: M.
        out: gets the folders `member-0`, ...
        train: makes member m in a folder; None on all processes but the first.

    Returns:
        The members on the first process; the others get none.
    """
    members = []
    for number in range(n_members):
        folder = out / f"member-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / MEMBERS).exists():
            member = train(number, folder)
            if member is not None:
                _save(member, folder)
        if is_rank_zero():
            members.append(_load(folder))
    return members


def _save(member: Member, folder: Path) -> None:
    np.savez(folder / "codes.npz", codes=member.codes, resolved=member.resolved.codes)
    rest = {name: getattr(member.resolved, name) for name in ("n_distinct", "n_duplicates", "largest_group")}
    sizes = list(member.resolved.codebook_sizes)
    write_json(folder / MEMBERS, {"source": member.source, "codebook_sizes": sizes, **rest})


def _load(folder: Path) -> Member:
    meta = json.loads((folder / MEMBERS).read_text())
    with np.load(folder / "codes.npz", allow_pickle=False) as arrays:
        codes, paths = arrays["codes"], arrays["resolved"]
    counts = (meta["n_distinct"], meta["n_duplicates"], meta["largest_group"])
    return Member(codes, Resolved(paths, tuple(meta["codebook_sizes"]), *counts), meta["source"])
