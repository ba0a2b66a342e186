"""Next-item recommenders: a network reads item ids and scores every item by an inner product.

Sample accounting. One pass over a sequence trains all its positions: the state after x_1..x_t predicts x_(t+1), and every
training target x_2..x_n of every user occurs exactly once per epoch; `batch_size` counts targets, and the loss is their
mean. A network reads T = `max_history` items, so longer sequences are cut into chunks (`data/prefix_batches.py`): the
first covers T + 1 items, all but its first being targets; every further one begins with ceil(T / 2) items of context
that are no targets in it. Positions count within a chunk: from its first item in SASRec and HSTU, elsewhere from the last
one that is read (`positions_from_end`). SASRec's code differs: it draws users with replacement and trains on the last
T + 1 items of each, so long sequences' early targets are never used and a target of a short sequence counts for more.
BERT4Rec and S3-Rec's pre-training mask items instead, and say so in
`nextitem_objectives.py`; a sequence weighs as its number of targets there too.

A history without items has no state: it is answered by popularity in training.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tigerlite.config import InputError, from_dict, to_dict
from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.data.sequences import Batch, most_recent, most_recent_values
from tigerlite.losses.next_item import full_cross_entropy, log_popularity
from tigerlite.recommenders.base import Recommendations
from tigerlite.recommenders.baselines import CLOZE, build_network
from tigerlite.recommenders.baselines.masking import last_place, with_mask_after
from tigerlite.recommenders.baselines.s3rec import S3RecObjectives
from tigerlite.recommenders.item_index import ItemIndex
from tigerlite.recommenders.item_scoring import top_items
from tigerlite.recommenders.nextitem_config import NextItemConfig
from tigerlite.recommenders.nextitem_losses import next_item_losses
from tigerlite.recommenders.nextitem_objectives import Draw, cloze_targets, self_supervised_losses
from tigerlite.recommenders.training import VALIDATION_CUTOFF, TrainedRecommender

MAX_LOGITS = 2**26
"""Logits that validation holds at a time (256 MB)."""


class NextItem(TrainedRecommender):
    """A network of `baselines/`, its loss, and exact ranking of the catalogue.

    Args:
        config: a `NextItemConfig` as primitives (what checkpoints hold).
        counts: training interactions per item, index = item id, entry 0 unused, shape (N + 1,).
        stage: prefix of the logged metrics.
        features: feature ids (N + 1, F) of the items, where the config `reads_features`.

    Raises:
        InputError: if the catalogue is too small for the negatives asked for, or features are missing.
    """

    def __init__(
        self,
        config: dict[str, Any],
        counts: Tensor | np.ndarray,
        stage: str = "finetune",
        features: Tensor | np.ndarray | None = None,
    ) -> None:
        super().__init__(stage, from_dict(NextItemConfig, config).optimizer)
        self.save_hyperparameters("config", "stage")
        self.config = from_dict(NextItemConfig, config)
        self.n_items = len(counts) - 1
        wanted, loss = self.config.n_negatives, self.config.loss
        if loss == "gbce" and wanted > self.n_items - 1:
            raise InputError(
                f"n_negatives={wanted} but the catalogue has {self.n_items} items; loss=gbce needs fewer negatives than items"
            )
        features = None if features is None else torch.as_tensor(features)
        chosen = self.config.network, self.config.section
        self.network = build_network(*chosen, self.n_items, self.config.max_history, features)
        self.objectives: S3RecObjectives | None = None
        """What S3-Rec's pre-training learns beside the network; fine-tuning leaves it behind."""
        if self.config.objective == "self_supervised":
            if features is None:
                raise InputError("objective=self_supervised reads features of the items and was given none")
            self.objectives = S3RecObjectives(self.config.section, features)
        self.index: ItemIndex | None = None
        """Where `recommend` looks for items; None = scores them all. Not saved."""
        counts = torch.as_tensor(counts).float()
        self.register_buffer("counts", counts, persistent=False)
        self.register_buffer("log_q", log_popularity(counts), persistent=False)
        # They follow from the data set; ddp, which broadcasts buffers every step, must skip them.
        self._ddp_params_and_buffers_to_ignore = [name for name, _ in self.named_buffers()]

    @property
    def name(self) -> str:
        """The network's name."""
        return self.config.network

    @property
    def trains_all_prefixes(self) -> bool:
        """Always."""
        return True

    @property
    def reads_times(self) -> bool:
        """Whether the times of interactions are read, where there are any."""
        return self.config.reads_times

    @property
    def fills_masks(self) -> bool:
        """Whether the next item is asked for by a mask after the history, not by the state of its last item."""
        return self.config.network in CLOZE or self.config.objective == "self_supervised"

    @property
    def item_embeddings(self) -> Tensor:
        """(N + 1, D), row 0 = padding."""
        return self.network.item_embeddings

    def start_from(self, base: "NextItem") -> None:
        """Copy the network's weights of `base`.

        Raises:
            InputError: if the two networks differ.
        """
        if _shape(self) != _shape(base):
            raise InputError(
                f"{self.name} cannot start from this {base.name}: give pretrain.nextitem and finetune.nextitem the same "
                f"network, sizes and max_history"
            )
        self.network.load_state_dict(base.network.state_dict())

    def training_losses(self, batch: PrefixBatch) -> Tensor:
        """Losses (n_targets,) of all targets of the sequences, row by row in time order; of masked items for `CLOZE`."""
        draw = Draw(self.config.seed, self.current_epoch)
        if self.config.objective == "self_supervised":
            return self_supervised_losses(self.network, self.objectives, batch, self.n_items, draw)
        if self.fills_masks:
            hidden = cloze_targets(self.network, batch, self.config.section, self.n_items + 1, draw)
            return self._losses(hidden.states, hidden.items) * hidden.weights
        targets = batch.sequences[:, 1:]  # (B, T)
        positions = torch.arange(1, batch.sequences.shape[1], device=targets.device)
        wanted = (targets > 0) & (positions >= batch.first[:, None])
        # A row's last item is a target alone; the network counts positions from the last item that it reads.
        read = batch.sequences.masked_fill(last_place(batch.sequences), 0)[:, :-1]
        states = self._read(read, None if batch.times is None else batch.times[:, :-1])
        return self._losses(states[wanted], targets[wanted])

    def _read(self, sequences: Tensor, times: Tensor | None) -> Tensor:
        """States (B, T, D) of sequences (B, T), with the times where the network reads them."""
        return self.network(sequences, times) if self.reads_times else self.network(sequences)

    def _losses(self, states: Tensor, targets: Tensor) -> Tensor:
        return next_item_losses(self.config, states, targets, self.item_embeddings, self.log_q)

    def history_states(self, histories: Tensor, times: Tensor | None = None) -> Tensor:
        """State (B, D) that asks for the next item of each right-padded history (B, T); zero for an empty one."""
        recent = most_recent(histories, self.config.max_history)
        if times is not None:
            times = most_recent_values(times, histories, self.config.max_history)
        if not recent.shape[1]:
            recent, times = torch.nn.functional.pad(recent, (0, 1)), None
        lengths = (recent > 0).sum(dim=1)
        if self.fills_masks:
            states, places = self.network.cloze_states(with_mask_after(recent, self.n_items + 1)), lengths
        else:
            states, places = self._read(recent, times), (lengths - 1).clamp(min=0)
        states = states[torch.arange(len(recent), device=recent.device), places]
        if self.objectives is not None:
            states = self.objectives.maps["mip"](states)
        return states * (lengths > 0)[:, None]

    def validation_losses(self, batch: Batch) -> Tensor:
        """Cross-entropy (B,) over the whole catalogue without smoothing, whatever the training loss: they compare."""
        states = self.history_states(batch.histories, batch.times)
        size = max(1, MAX_LOGITS // self.n_items)
        parts = zip(states.split(size), batch.targets.split(size), strict=True)
        return torch.cat([full_cross_entropy(part, targets, self.item_embeddings) for part, targets in parts])

    def validation_items(self, batch: Batch) -> Tensor:
        """Items (B, 10), the whole catalogue ranked."""
        return self.ranked(batch.histories, VALIDATION_CUTOFF, self.config.exclude_history, batch.times).items

    def ranked(self, histories: Tensor, k: int, exclude_history: bool, times: Tensor | None = None) -> Recommendations:
        """Items with their inner products as scores; an empty history gets items by training count."""
        states = self.history_states(histories, times)
        exclude = histories if exclude_history else None
        if self.index is None:
            found = top_items(states, self.item_embeddings, k, exclude)
        else:
            found = self.index.search(states, k, exclude)
        return self._with_popular(found, histories, k)

    def _with_popular(self, found: Recommendations, histories: Tensor, k: int) -> Recommendations:
        """Items by training count in the rows of empty histories, which have no state."""
        empty = ~(histories > 0).any(dim=1, keepdim=True)
        if not empty.any():
            return found
        popular = top_items(torch.ones(1, 1, device=self.device), self.counts[:, None], k)
        return Recommendations(*(torch.where(empty, ours, row) for ours, row in zip(popular, found, strict=True)))

    @property
    def fingerprint(self) -> str:
        """Hex digest of network, weights and counts."""
        shape = [self.name, to_dict(self.config.section), self.config.max_history]
        shape += [] if self.config.objective == "next_item" else [self.config.objective]  # it reads otherwise
        digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode())
        for name, value in sorted(self._weights().items()):
            digest.update(name.encode() + value.numpy().tobytes())
        return digest.hexdigest()[:16]

    def _weights(self) -> dict[str, Tensor]:
        weights = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        if self.objectives is not None:
            weights |= {f"objectives.{name}": value for name, value in self.objectives.state_dict().items()}
        weights["counts"] = self.counts
        return {name: value.detach().cpu().contiguous() for name, value in weights.items()}

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` and `model.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self._weights(), folder / "model.safetensors")
        about = {"kind": "nextitem", "config": to_dict(self.config), "n_items": self.n_items}
        (folder / "model.json").write_text(json.dumps(about, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "NextItem":
        """The model that `save` wrote, in evaluation mode on the CPU.

        Raises:
            InputError: if the folder holds no model.
        """
        try:
            about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            weights = load_file(folder / "model.safetensors")
        except FileNotFoundError as error:
            raise InputError(f"{error.filename} does not exist; {folder} holds no trained model") from None
        # A model that reads features keeps them among its weights.
        features = next((value for name, value in weights.items() if name.endswith(".features")), None)
        model = cls(about["config"], weights.pop("counts"), features=features)
        model.load_state_dict(weights)
        return model.eval()


def _shape(model: NextItem) -> list[Any]:
    """What two models have to share for one to start from the other's weights: all but dropout, which is no weight."""
    section = {name: value for name, value in to_dict(model.config.section).items() if "dropout" not in name}
    return [model.name, section, model.config.max_history, model.n_items]
