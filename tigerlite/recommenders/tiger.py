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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tigerlite.config import InputError, from_dict, to_dict
from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.data.sequences import Batch, most_recent
from tigerlite.recommenders.calibration import load_calibration, save_calibration
from tigerlite.recommenders.copying import Copying
from tigerlite.recommenders.generative import GenerativeRecommender
from tigerlite.recommenders.member_draw import MemberDraw, Place
from tigerlite.recommenders.tiger_config import TIGERConfig
from tigerlite.recommenders.trie import Trie
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

if TYPE_CHECKING:
    from tigerlite.tokenizers.new_items import FrozenTokenizer

_COPYING = "copying."


class TIGER(GenerativeRecommender):
    """T5 that reads the codes of the history as tokens.

    Args:
        config: a `TIGERConfig` as primitives (what checkpoints hold).
        bank: the identifiers; training draws one of its members for every sample (`member_draw.py`), validation and decoding
            use the primary one.
        stage: prefix of the logged metrics.

    Raises:
        InputError: if `head=trie`, whose classes are the paths of one member, is to train several.
    """

    def __init__(self, config: dict[str, Any], bank: TokenizerBank, stage: str = "finetune") -> None:
        super().__init__(stage, from_dict(TIGERConfig, config), bank)
        self.save_hyperparameters({"config": config, "stage": stage})
        if bank.n_members > 1 and self.config.head == "trie":
            raise InputError(f"head=trie trains one identifier per item, not {bank.n_members}; set head=level")
        self.draw = MemberDraw(bank.n_members, bank.n_items)
        self._provenance = bank.provenance
        if self.config.copy:
            self.copying = Copying(self.vocab.n_levels, self.config.t5.d_model, self.config.max_history)
        self._skip_buffers()

    @property
    def bank(self) -> TokenizerBank:
        """The identifiers of the catalogue, on the CPU."""
        codes = self.codes.cpu().unflatten(0, (self.draw.n_members, -1))
        return TokenizerBank(codes, SemanticVocab(self.vocab.codebook_sizes), provenance=self._provenance)

    def use_bank(self, bank: TokenizerBank) -> None:
        """Serve the items of a bank that extends the model's (`TokenizerBank.add`): new items can then be generated.

        Raises:
            InputError: if known items have other codes there, or levels have other sizes.
        """
        if bank.vocab.codebook_sizes != self.vocab.codebook_sizes:
            raise InputError(
                f"the bank has levels {list(bank.vocab.codebook_sizes)} but the model was trained on "
                f"{list(self.vocab.codebook_sizes)}; extend the model's own bank"
            )
        known, codes = self.bank.codes, bank.codes.cpu()
        if codes.shape[0] != known.shape[0] or not torch.equal(codes[:, : known.shape[1]], known):
            raise InputError(
                "the bank gives known items other codes than the model was trained on; extend the model's own bank"
            )
        if self.item_calibration is not None:
            raise InputError("decoding is calibrated on the known items (objective.method=igd); train on the new bank")
        tokens = self.vocab.item_tokens(codes)
        self._provenance = bank.provenance
        self.trie = Trie(codes[0]).to(self.device)
        self.draw = MemberDraw(bank.n_members, bank.n_items).to(self.device)
        self.codes, self.item_tokens = codes.flatten(0, 1).to(self.device), tokens.flatten(0, 1).to(self.device)

    def add_items(self, embeddings: Tensor, tokenizer: "FrozenTokenizer") -> None:
        """Serve items that came after training, by free codes of the tokenizer that made the bank (`TokenizerBank.add`)."""
        self.use_bank(self.bank.add(embeddings, tokenizer))

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
        """Terms (n_targets, L) whose mean is the loss, cross-entropies or the objective's; members are drawn."""
        return self._batch_losses(self.draw.assign(batch))

    def _batch_losses(self, batch: Batch | PrefixBatch) -> Tensor:
        if isinstance(batch, PrefixBatch):
            return self.prefix_losses(batch.sequences, batch.first)
        return self.token_losses(batch.histories, batch.targets)

    @property
    def name(self) -> str:
        """The method's name."""
        return "tiger"

    @property
    def fingerprint(self) -> str:
        """Hex digest of settings, weights and codes."""
        digest = hashlib.sha256(json.dumps(self.config.answering, sort_keys=True).encode())
        digest.update(self.codes.cpu().numpy().tobytes())
        for name, value in sorted(self._network().items()):
            digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        if self.item_calibration is not None:
            digest.update(self.item_calibration.cpu().numpy().tobytes())
        return digest.hexdigest()[:16]

    def _network(self) -> dict[str, Tensor]:
        """All weights by name; those of the T5 without a prefix."""
        copying = {} if self.copying is None else self.copying.state_dict()
        return self.t5.state_dict() | {_COPYING + name: value for name, value in copying.items()}

    def save(self, folder: Path) -> None:
        """Write `model.safetensors`, `model.json` and the bank (`bank/`)."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: value.detach().cpu().contiguous() for name, value in self._network().items()}
        save_file(weights, folder / "model.safetensors")
        (folder / "model.json").write_text(json.dumps({"kind": "tiger", "config": to_dict(self.config)}, indent=1))
        self.bank.save(folder / "bank")
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
        if model.copying is not None:
            model.copying.load_state_dict({name: weights.pop(_COPYING + name) for name in model.copying.state_dict()})
        model.t5.load_state_dict(weights)
        factors = load_calibration(folder)
        if factors is not None:
            model.set_calibration(factors)
        return model.eval()
