"""A T5 that reads the items of histories as mixtures of codes and writes hard codes (UniGRec, arXiv 2601.17438).

Encoder input: [user token] + one vector per level and history item, the expected token embedding under the tokenizer's p.
The digit that tells items with equal codes apart is in no input. Decoder: hard codes and digit of the current code table, as in
TIGER. In training mode items are encoded as they come, with gradient; else they are looked up in `catalogue_vectors`, which are
computed once and saved, so that serving needs no item embeddings. How it is trained: `unigrec.py`.
"""

import copy
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import one_hot, pad

from tigerlite.config import InputError, from_dict, to_dict
from tigerlite.recommenders.calibration import load_calibration, save_calibration
from tigerlite.recommenders.generative import GenerativeRecommender
from tigerlite.recommenders.soft_batch import SoftBatch, expected_embeddings, scattered, soften
from tigerlite.recommenders.tiger_config import TIGERConfig
from tigerlite.recommenders.trie import Trie
from tigerlite.recommenders.unigrec_config import UniGRecConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.saved import tokenizer_fingerprint
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE
from tigerlite.tokenizers.vocabulary import SemanticVocab

if TYPE_CHECKING:
    from tigerlite.tokenizers.new_items import FrozenTokenizer

_WEIGHTS = "model.safetensors"
# Items encoded at a time outside training.
_CHUNK = 4096


class SoftReader(GenerativeRecommender):
    """Holds the tokenizer, the code table, and what both make of the catalogue.

    Args:
        config: a `TIGERConfig` as primitives: network, training length, decoding.
        settings: a `UniGRecConfig` as primitives.
        bank: the first code table, L codes and a digit (`soft_identifiers.code_table`).
        tokenizer: copied.
        inputs: (N + 1, D') normalised inputs of the tokenizer, row 0 padding; None = a model that only serves.
        stage: prefix of the logged metrics.

    Raises:
        ConfigError: if network and settings do not fit.
    """

    def __init__(
        self,
        config: dict[str, Any],
        settings: dict[str, Any],
        bank: TokenizerBank,
        tokenizer: SoftRQVAE,
        *,
        inputs: Tensor | None = None,
        stage: str = "finetune",
    ) -> None:
        super().__init__(stage, from_dict(TIGERConfig, config), bank)
        self.save_hyperparameters({"config": config, "settings": settings, "stage": stage})
        self.settings = from_dict(UniGRecConfig, settings)
        self.settings.check_tiger(self.config)
        self.tokenizer = copy.deepcopy(tokenizer)
        self.register_buffer("inputs", inputs, persistent=False)
        self.register_buffer("item_vectors", None, persistent=False)
        self.register_buffer("code_table", bank.primary.clone())
        self.register_load_state_dict_post_hook(lambda model, _: model.use_codes(model.code_table))
        self._skip_buffers()

    @property
    def name(self) -> str:
        """The method's name."""
        return "unigrec"

    @property
    def bank(self) -> TokenizerBank:
        """The identifiers of the catalogue as they are now, on the CPU; made by the tokenizer as it is now."""
        provenance = {"members": [{"tokenizer": tokenizer_fingerprint(self.tokenizer)}]}
        return TokenizerBank(self.codes.cpu()[None], SemanticVocab(self.vocab.codebook_sizes), provenance=provenance)

    @property
    def tokens_per_item(self) -> int:
        """Vectors of one history item: one per level, without the digit."""
        return len(self.tokenizer.codebook_sizes)

    def use_codes(self, codes: Tensor) -> None:
        """Write the items as codes (N + 1, L + 1) from now on."""
        self.trie = Trie(codes).to(self.device)
        self.codes, self.item_tokens = codes.to(self.device), self.vocab.item_tokens(codes).to(self.device)
        self.code_table = self.codes.clone()
        self.item_vectors = None if self.inputs is not None else self.item_vectors
        self._skip_buffers()

    def take_identifiers(self, base: "SoftReader") -> None:
        """Copy the tokenizer and the identifiers of another model of the same items."""
        self.tokenizer.load_state_dict(base.tokenizer.state_dict())
        self.use_codes(base.codes.to(self.device))

    def encode(self, histories: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded histories (B, S, D) and their mask (B, S); outside training items are looked up, without gradient."""
        if not self.training:
            return self._read(self.catalogue_vectors()[1:], histories)
        soft = self._soften(histories)
        return self._read(self._vectors(soft.quantized.shares), soft.places)

    @torch.no_grad()
    def catalogue_vectors(self) -> Tensor:
        """Expected token embeddings (N + 1, L, D) of all items, computed once; row 0 is padding.

        Raises:
            InputError: if the model was loaded, and trained on without its items.
        """
        if self.item_vectors is None:
            self.item_vectors = pad(self._mixed(self._checked_inputs()[1:]), (0, 0, 0, 0, 1, 0))
        return self.item_vectors

    @torch.no_grad()
    def add_items(self, embeddings: Tensor, tokenizer: "FrozenTokenizer") -> None:
        """Serve items that came after training: read as mixtures, written by free codes (`TokenizerBank.add`); weights stay.

        Args:
            embeddings: (n, D), made as those that the tokenizer was trained on.
            tokenizer: the model's own, which joint training has moved away from that of the tokenize stage.

        Raises:
            InputError: if it is another tokenizer, there is no room for an item, or decoding is calibrated on known ones.
        """
        if self.item_calibration is not None:
            raise InputError("decoding is calibrated on the known items (objective.method=igd); train on all items")
        known, bank = self.catalogue_vectors(), self.bank.add(embeddings, tokenizer)
        rows = self.tokenizer.normalise(torch.as_tensor(embeddings).to(self.device, torch.float32))
        if self.inputs is not None:
            self.inputs = torch.cat([self.inputs, rows])
        self.use_codes(bank.primary.to(self.device))
        self.item_vectors = torch.cat([known, self._mixed(rows)])

    @property
    def fingerprint(self) -> str:
        """Hex digest of settings, weights, identifiers and item vectors."""
        digest = hashlib.sha256(json.dumps(self.config.answering, sort_keys=True).encode())
        digest.update(self.codes.cpu().numpy().tobytes())
        served = {**self.t5.state_dict(), ".items": self.catalogue_vectors()}
        if self.item_calibration is not None:
            served[".calibration"] = self.item_calibration
        for name, value in sorted(served.items()):
            digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` (T5 and item vectors), `model.json`, the bank and the tokenizer; no adapters."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {f"t5.{name}": value for name, value in self.t5.state_dict().items()}
        weights["item_vectors"] = self.catalogue_vectors()
        save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, folder / _WEIGHTS)
        meta = {"kind": "unigrec", "config": to_dict(self.config), "settings": to_dict(self.settings)}
        (folder / "model.json").write_text(json.dumps(meta, indent=1))
        self.bank.save(folder / "bank")
        self.tokenizer.save(folder / "tokenizer")
        if self.item_calibration is not None:
            save_calibration(self.item_calibration, folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that `save` wrote, in evaluation mode on the CPU.

        Raises:
            InputError: if the folder holds no model.
        """
        try:
            meta = json.loads((folder / "model.json").read_text())
            weights = load_file(folder / _WEIGHTS)
        except FileNotFoundError as error:
            raise InputError(f"{error.filename} does not exist; {folder} holds no trained model") from None
        bank, tokenizer = TokenizerBank.load(folder / "bank"), SoftRQVAE.load(folder / "tokenizer")
        model = cls(meta["config"], meta["settings"], bank, tokenizer)
        model.item_vectors = weights.pop("item_vectors")
        model.t5.load_state_dict({name.removeprefix("t5."): value for name, value in weights.items()})
        factors = load_calibration(folder)
        if factors is not None:
            model.set_calibration(factors)
        return model.eval()

    def _checked_inputs(self) -> Tensor:
        if self.inputs is None:
            raise InputError(
                "this UniGRec was loaded to serve; training goes on in a stage that has its item embeddings"
            )
        return self.inputs

    def _soften(self, sequences: Tensor) -> SoftBatch:
        inputs = self._checked_inputs()
        self.item_vectors = None  # the weights that they follow from are about to move
        return soften(sequences, inputs, self.tokenizer)

    def _mixed(self, inputs: Tensor) -> Tensor:
        """Expected token embeddings (n, L, D) of normalised inputs (n, D')."""
        return torch.cat([self._vectors(self.tokenizer.quantize(part).shares) for part in inputs.split(_CHUNK)])

    def _vectors(self, shares: tuple[Tensor, ...]) -> Tensor:
        """Expected token embeddings (U, L, D) under shares (U, K) per level."""
        if self.settings.reads == "codes":
            shares = tuple(one_hot(level.argmax(dim=1), level.shape[1]).float() for level in shares)
        return expected_embeddings(shares, self.t5.embedding.weight, self.vocab.offsets)

    def _read(self, vectors: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded histories and their mask; vectors (U, L, D) at places (B, T), 0 at padding."""
        embeddings = scattered(vectors, self.t5.embedding.weight[self.vocab.pad], places)
        mask = (places > 0).repeat_interleave(self.tokens_per_item, dim=1)
        if self.config.user_token:
            user = self.t5.embedding.weight[self.vocab.user].expand(len(places), 1, -1)
            embeddings, mask = torch.cat([user, embeddings], dim=1), pad(mask, (1, 0), value=True)
        return self.t5.encode_embeddings(embeddings, mask, self._visible(places.shape[1])), mask
