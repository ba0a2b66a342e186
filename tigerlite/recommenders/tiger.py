"""TIGER: a T5 that reads the codes of the history and writes the codes of the next item (arXiv 2305.05065).

Encoder input: [user token] + L tokens per history item, oldest first [+ EOS]. Decoder: start token (pad), then the
target's codes by teacher forcing. Departures from the papers, each a switch: the user token is one constant token, as
in the released MTGRec (2504.04400), because hashed user ids cannot serve new users; labels end after the last code
(`eos=False`), since the number of codes is fixed; the softmax of a level covers that level's codes (`head="level"`),
the only tokens that can follow, or just those that lead on to an item (`head="trie"`). `eos=True, head="vocabulary"`
gives the papers' objective.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tigerlite.config import InputError, from_dict, to_dict
from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.data.sequences import Batch, most_recent
from tigerlite.losses.mixing import MultiTarget
from tigerlite.losses.objectives import LossContext
from tigerlite.losses.weighted_cross_entropy import token_cross_entropy
from tigerlite.optim import SeparateGroup
from tigerlite.recommenders.base import Recommendations
from tigerlite.recommenders.beam_search import beam_search
from tigerlite.recommenders.calibration import load_calibration, node_factors, save_calibration
from tigerlite.recommenders.exact import exact_search
from tigerlite.recommenders.t5 import T5
from tigerlite.recommenders.tiger_config import TIGERConfig
from tigerlite.recommenders.training import VALIDATION_CUTOFF, TrainedRecommender
from tigerlite.recommenders.trie import Trie
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab


class TIGER(TrainedRecommender):
    """T5 over semantic IDs; holds the codes of the catalogue, so a saved model serves on its own.

    Args:
        config: a `TIGERConfig` as primitives (what checkpoints hold).
        bank: the identifiers; training and decoding use its primary member.
        stage: prefix of the logged metrics.
    """

    def __init__(self, config: dict[str, Any], bank: TokenizerBank, stage: str = "finetune") -> None:
        super().__init__(stage, from_dict(TIGERConfig, config).optimizer)
        self.save_hyperparameters({"config": config, "stage": stage})
        self.config = from_dict(TIGERConfig, config)
        self.vocab = SemanticVocab(bank.vocab.codebook_sizes, n_user_tokens=int(self.config.user_token))
        self.n_beams = 50
        self.decoding = "beam"
        """beam (of n_beams) or exact (every item is scored): how `recommend` decodes; validation always takes a beam."""
        self.t5 = T5(self.config.t5, self.vocab.size)
        self.trie = Trie(bank.primary)
        tokens = self.vocab.tokens(bank.primary)
        tokens[0] = self.vocab.pad
        self.register_buffer("codes", bank.primary.clone(), persistent=False)
        self.register_buffer("item_tokens", tokens, persistent=False)
        self.objective: nn.Module | None = None
        """What training minimises instead of plain cross-entropy; only in training mode, like dropout."""
        self._parts: dict[str, Tensor] = {}
        self.register_buffer("item_calibration", None, persistent=False)
        self.register_buffer("calibration", None, persistent=False)
        # They follow from the bank; ddp, which broadcasts buffers every step, must skip them: 10 M items are 1 GB.
        self._ddp_params_and_buffers_to_ignore = [name for name, _ in self.named_buffers()]

    @property
    def bank(self) -> TokenizerBank:
        """The identifiers that the model serves, on the CPU."""
        return TokenizerBank(self.codes[None].cpu(), SemanticVocab(self.vocab.codebook_sizes))

    def use_bank(self, bank: TokenizerBank) -> None:
        """Serve the items of a bank that extends the model's (`TokenizerBank.add`): new items can then be generated.

        Raises:
            InputError: if known items have other codes there, or new ones have codes that the model has no tokens for.
        """
        known, codes = len(self.codes), bank.primary.to(self.device)
        if bank.vocab.codebook_sizes != self.vocab.codebook_sizes:
            sizes = torch.tensor(self.vocab.codebook_sizes, device=self.device)
            same = bank.n_levels == len(sizes)
            beyond = (codes >= sizes).any(dim=1).nonzero().flatten().tolist() if same else []
            raise InputError(
                f"the bank has levels {list(bank.vocab.codebook_sizes)} but the model was trained on {sizes.tolist()}; train on "
                f"the new bank" + (f", or add the items without {beyond[:5]}, whose groups are full" if beyond else "")
            )
        if len(codes) < known or not torch.equal(codes[:known], self.codes):
            raise InputError(
                "the bank gives known items other codes than the model was trained on; extend the model's own bank"
            )
        if self.item_calibration is not None:
            raise InputError("decoding is calibrated on the known items (objective.method=igd); train on the new bank")
        tokens = self.vocab.tokens(codes)
        tokens[0] = self.vocab.pad
        self.trie = Trie(codes).to(self.device)
        self.codes, self.item_tokens = codes.clone(), tokens

    def set_objective(self, objective: nn.Module) -> None:
        """Train on an objective of `losses/objectives.py`; its parameters are trained too and are in no served model."""
        self.objective = objective
        # Fitted tables and the pace, which every process has: ddp must not broadcast them every step.
        self._ddp_params_and_buffers_to_ignore = [name for name, _ in self.named_buffers()]

    def set_calibration(self, factors: Tensor) -> None:
        """Multiply the log-probability of every item's codes by factors (N + 1, L) in decoding; saved with the model.

        Items that share a prefix have equal factors on it.
        """
        self.item_calibration = factors.to(self.codes.device, torch.float32)
        self.calibration = node_factors(self.trie, self.codes, self.item_calibration)
        self._ddp_params_and_buffers_to_ignore = [name for name, _ in self.named_buffers()]

    def set_loss_weights(self, weights: dict[str, float]) -> None:
        """Set what a curriculum multiplies the targets of a multi-target objective by.

        Raises:
            InputError: if the objective has no targets, or others.
        """
        if not isinstance(self.objective, MultiTarget):
            raise InputError("a curriculum moves the weights of objective.method=multi_target; this model has none")
        self.objective.mixing.set_pace(weights)

    def training_parts(self) -> dict[str, Tensor]:
        """Scalars of the latest training batch: losses of the targets, mixing coefficients; empty for plain training."""
        return self._parts

    def separate_parameters(self) -> list[SeparateGroup]:
        """Mixing parameters have a learning rate of their own."""
        learnt = [] if self.objective is None else list(self.objective.parameters())
        return [SeparateGroup(learnt, self.objective.lr)] if learnt else []

    def encoder_input(self, histories: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, S) and mask (B, S) of histories (B, T); S = [1 +] T * L [+ 1]."""
        tokens = self.item_tokens[histories].flatten(1)  # (B, T, L) -> (B, T*L)
        if self.config.eos:
            lengths = (tokens != self.vocab.pad).sum(dim=1, keepdim=True)
            tokens = torch.cat([tokens, tokens.new_zeros(len(tokens), 1)], dim=1).scatter(1, lengths, self.vocab.eos)
        if self.config.user_token:
            tokens = torch.cat([tokens.new_full((len(tokens), 1), self.vocab.user_token(0)), tokens], dim=1)
        return tokens, tokens != self.vocab.pad

    def encode(self, histories: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded histories (B, S, D) and their mask (B, S)."""
        tokens, mask = self.encoder_input(histories)
        return self.t5.encode(tokens, mask, self._visible(histories.shape[1])), mask

    def token_losses(self, histories: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of every label token of the target items (B,) given histories (B, T), shape (B, L)."""
        encoded, mask = self.encode(histories)
        labels = self._labels(targets)
        return self._losses(self.t5.decode(self._decoder_tokens(labels), encoded, mask), targets, labels)

    def prefix_losses(self, sequences: Tensor, first: Tensor) -> Tensor:
        """Cross-entropy of every label token of all targets of the sequences, shape (n_targets, L).

        Args:
            sequences: (B, T + 1) item ids, right-padded with 0.
            first: (B,) position of the first target in each row; targets come in row order.
        """
        encoded, _ = self.encode(sequences[:, :-1])
        begin = int(first.min())
        targets = sequences[:, begin:]  # (B, P)
        positions = torch.arange(begin, sequences.shape[1], device=sequences.device)
        item_of = self._item_of_token(sequences.shape[1] - 1)
        labels = self._labels(targets)  # (B, P, L)
        hidden = self.t5.decode_targets(self._decoder_tokens(labels), encoded, item_of[None] < positions[:, None])
        wanted = (targets > 0) & (positions >= first[:, None])
        return self._losses(hidden[wanted], targets[wanted], labels[wanted])

    def _item_of_token(self, n_items: int) -> Tensor:
        """Which item of the history each encoder token belongs to, -1 for the user token, shape (S,)."""
        items = torch.arange(n_items, device=self.codes.device).repeat_interleave(self.vocab.n_levels)
        return torch.cat([items.new_full((int(self.config.user_token),), -1), items])

    def _visible(self, n_items: int) -> Tensor | None:
        """(S, S) bool, the keys each token may see; None = all."""
        if not self.config.is_causal:
            return None
        item_of = self._item_of_token(n_items)
        return item_of[None, :] <= item_of[:, None]

    def _labels(self, targets: Tensor) -> Tensor:
        labels = self.item_tokens[targets]  # (..., L)
        return torch.nn.functional.pad(labels, (0, 1), value=self.vocab.eos) if self.config.eos else labels

    def _decoder_tokens(self, labels: Tensor) -> Tensor:
        return torch.nn.functional.pad(labels[..., :-1], (1, 0), value=self.vocab.pad)

    def _losses(self, hidden: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """Terms (B, L) of the loss of labels (B, L) under hidden states (B, L, D): cross-entropy, or the objective's."""
        if self.objective is None or not self.training:
            return self._cross_entropy(hidden, targets, labels)
        context = LossContext(
            cross_entropy=lambda states: self._cross_entropy(states, targets, labels),
            without_history=lambda: self._states_without_history(labels),
        )
        terms = self.objective(hidden, targets, context)
        self._parts = terms.parts
        return terms.losses

    def _states_without_history(self, labels: Tensor) -> Tensor:
        """Hidden states (B, L, D) of labels (B, L) after an empty history."""
        encoded, mask = self.encode(labels.new_zeros(len(labels), 1))
        return self.t5.decode(self._decoder_tokens(labels), encoded, mask)

    def _cross_entropy(self, hidden: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy (B, L) of labels (B, L) under hidden states (B, L, D)."""
        smoothing = self.config.label_smoothing
        if self.config.temperature != 1:
            hidden = hidden.float() / self.config.temperature  # the head is linear: the same as dividing the logits
        if self.config.head == "level":
            levels = zip(hidden.unbind(1), self.vocab.offsets, self.vocab.codebook_sizes, strict=True)
            logits = [self.t5.code_logits(states, start, size) for states, start, size in levels]
            return token_cross_entropy(logits, self.codes[targets], smoothing)
        if self.config.head == "trie":
            return torch.stack(list(self._legal_losses(hidden, self.codes[targets])), dim=1)
        return token_cross_entropy(self.t5.logits(hidden).unbind(1), labels, smoothing)

    def _legal_losses(self, hidden: Tensor, codes: Tensor) -> Iterator[Tensor]:
        """Per level, cross-entropy (B,) of codes (B, L) among the codes that the trie allows after those before them."""
        nodes = torch.zeros(len(codes), dtype=torch.int64, device=codes.device)
        for level, wanted in enumerate(codes.unbind(1)):
            children = self.trie.expand(nodes, level)  # (B, C)
            place = ((children.codes == wanted[:, None]) & children.legal).long().argmax(dim=1)
            start, size = self.vocab.offsets[level], self.vocab.codebook_sizes[level]
            logits = self.t5.code_logits(hidden[:, level], start, size).gather(1, children.codes)
            yield cross_entropy(logits.masked_fill(~children.legal, -torch.inf), place, reduction="none")
            nodes = children.nodes.gather(1, place[:, None])[:, 0]

    @property
    def trains_all_prefixes(self) -> bool:
        """With an encoder that sees only earlier items."""
        return self.config.is_causal

    def training_losses(self, batch: Batch | PrefixBatch) -> Tensor:
        """Terms (n_targets, L) of the batch's label tokens whose mean is the loss: cross-entropy, or the objective's."""
        if isinstance(batch, PrefixBatch):
            return self.prefix_losses(batch.sequences, batch.first)
        return self.token_losses(batch.histories, batch.targets)

    def validation_losses(self, batch: Batch) -> Tensor:
        """Mean cross-entropy (B,) over the label tokens of each target."""
        return self.token_losses(most_recent(batch.histories, self.config.max_history), batch.targets).mean(dim=1)

    def validation_items(self, batch: Batch) -> Tensor:
        """Items (B, 10) by beam search over the whole catalogue."""
        exclude = batch.histories if self.config.exclude_history else None
        histories = most_recent(batch.histories, self.config.max_history)
        return self._search(histories, VALIDATION_CUTOFF, self.config.valid_beams, exclude).items

    def ranked(self, histories: Tensor, k: int, exclude_history: bool) -> Recommendations:
        """Items by `decoding`, a beam's width being max(`n_beams`, k); scores are log-probabilities."""
        exclude = histories if exclude_history else None
        recent = most_recent(histories, self.config.max_history)
        n_beams = None if self.decoding == "exact" else max(self.n_beams, k)
        return self._search(recent, k, n_beams, exclude)

    def _search(self, histories: Tensor, k: int, n_beams: int | None, exclude: Tensor | None) -> Recommendations:
        """Without a number of beams every item is scored."""
        encoded, mask = self.encode(histories)
        search = exact_search if n_beams is None else partial(beam_search, n_beams=n_beams)
        found = search(
            self.t5,
            self.trie,
            encoded,
            mask,
            starts=self.vocab.offsets,
            sizes=self.vocab.codebook_sizes,
            k=k,
            scoring=self.config.scoring,
            exclude=exclude,
            calibration=self.calibration,
        )
        return Recommendations(found.items, found.scores)

    @property
    def name(self) -> str:
        """The method's name."""
        return "tiger"

    @property
    def fingerprint(self) -> str:
        """Hex digest of the weights and codes."""
        digest = hashlib.sha256(self.codes.cpu().numpy().tobytes())
        for name, value in sorted(self.t5.state_dict().items()):
            digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        if self.item_calibration is not None:
            digest.update(self.item_calibration.cpu().numpy().tobytes())
        return digest.hexdigest()[:16]

    def save(self, folder: Path) -> None:
        """Write `model.safetensors`, `model.json` and the bank (`bank/`)."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: value.detach().cpu().contiguous() for name, value in self.t5.state_dict().items()}
        save_file(weights, folder / "model.safetensors")
        (folder / "model.json").write_text(json.dumps({"kind": "tiger", "config": to_dict(self.config)}, indent=1))
        bank_folder = folder / "bank"
        bank_folder.mkdir(exist_ok=True)
        self.bank.save(bank_folder)
        if self.item_calibration is not None:
            save_calibration(self.item_calibration, folder)

    @classmethod
    def load(cls, folder: Path) -> "TIGER":
        """The model that `save` wrote, in evaluation mode on the CPU.

        Raises:
            InputError: if the folder holds no model.
        """
        try:
            settings = json.loads((folder / "model.json").read_text())
            weights = load_file(folder / "model.safetensors")
        except FileNotFoundError as error:
            raise InputError(f"{error.filename} does not exist; {folder} holds no trained model") from None
        model = cls(settings["config"], TokenizerBank.load(folder / "bank"))
        model.t5.load_state_dict(weights)
        factors = load_calibration(folder)
        if factors is not None:
            model.set_calibration(factors)
        return model.eval()
