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
from torch import Tensor
from torch.nn.functional import cross_entropy

from tigerlite.config import InputError, from_dict, to_dict
from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.data.sequences import Batch, most_recent
from tigerlite.losses.weighted_cross_entropy import token_cross_entropy
from tigerlite.recommenders.base import Recommendations
from tigerlite.recommenders.beam_search import beam_search
from tigerlite.recommenders.exact import exact_search
from tigerlite.recommenders.member_draw import MemberDraw, Place
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
        bank: the identifiers; training draws one of its members for every sample (`member_draw.py`), validation and decoding
            use the primary one.
        stage: prefix of the logged metrics.

    Raises:
        InputError: if `head=trie`, whose classes are the paths of one member, is to train several.
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
        if bank.n_members > 1 and self.config.head == "trie":
            raise InputError(f"head=trie trains one identifier per item, not {bank.n_members}; set head=level")
        self.draw = MemberDraw(bank.n_members, bank.n_items)
        tokens = self.vocab.tokens(bank.codes)
        tokens[:, 0] = self.vocab.pad
        # Member after member: (M, N + 1, L) -> (M * (N + 1), L); the first N + 1 rows are the primary's.
        self.register_buffer("codes", bank.codes.flatten(0, 1).clone(), persistent=False)
        self.register_buffer("item_tokens", tokens.flatten(0, 1), persistent=False)
        # They follow from the bank; ddp, which broadcasts buffers every step, must skip them: 10 M items are 1 GB.
        self._ddp_params_and_buffers_to_ignore = [name for name, _ in self.named_buffers()]

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
        """Cross-entropy (B, L) of labels (B, L) under hidden states (B, L, D)."""
        smoothing = self.config.label_smoothing
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

    def set_group_probabilities(self, probabilities: Tensor) -> None:
        """Draw member m of the bank with probability p_m, `probabilities` (M,), in training from now on."""
        self.draw.set_probabilities(probabilities)

    def set_draw(self, unit: str, *, seed: int, epoch: int, step: int, part: int, n_parts: int) -> None:
        """Draw members for this part of a step's batch (see `Place`); a `unit` (sample, batch or epoch) shares a draw."""
        self.draw.unit = unit
        self.draw.place = Place(seed=seed, epoch=epoch, step=step, part=part, n_parts=n_parts)

    def member_losses(self, batch: Batch | PrefixBatch, member: int) -> Tensor:
        """Cross-entropy (n_targets, L) of the batch's label tokens with every item under one member of the bank."""
        if isinstance(batch, Batch):
            batch = batch._replace(histories=most_recent(batch.histories, self.config.max_history))
        return self._batch_losses(self.draw.assign(batch, member))

    def training_losses(self, batch: Batch | PrefixBatch) -> Tensor:
        """Cross-entropy (n_targets, L) of the batch's label tokens, members drawn."""
        return self._batch_losses(self.draw.assign(batch))

    def _batch_losses(self, batch: Batch | PrefixBatch) -> Tensor:
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
        return digest.hexdigest()[:16]

    def save(self, folder: Path) -> None:
        """Write `model.safetensors`, `model.json` and the bank (`bank/`)."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: value.detach().cpu().contiguous() for name, value in self.t5.state_dict().items()}
        save_file(weights, folder / "model.safetensors")
        (folder / "model.json").write_text(json.dumps({"kind": "tiger", "config": to_dict(self.config)}, indent=1))
        bank_folder = folder / "bank"
        bank_folder.mkdir(exist_ok=True)
        codes = self.codes.cpu().unflatten(0, (self.draw.n_members, -1))
        TokenizerBank(codes, SemanticVocab(self.vocab.codebook_sizes)).save(bank_folder)

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
        return model.eval()
