"""UniGRec: a T5 that reads histories as mixtures of codes, so that its loss also trains the tokenizer (arXiv 2601.17438).

Encoder input: [user token] + one vector per level and history item, the expected token embedding under the tokenizer's p.
The digit that tells items with equal codes apart is in no input. Decoder and labels: hard codes and digit of the current code
table, as in TIGER. Loss: L_rec + a L_recon + g L_T + d L_R + m L_CU (`unigrec_config.py`, `losses/distillation.py`).

Departures from the released code, besides those named there: padding is in no loss; reconstruction is over the positions of
histories and targets together; the table is rebuilt at the start of an epoch, not at its end, so that validation and the
model that is kept have the labels that were trained on, and with hysteresis (`tokenizers/code_table.py`); the tokenizer has no
weight decay and is not clipped, since its gradients carry 1 / tau. Weights of a token-weighted objective are fitted to the
first table.
"""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import log_softmax, pad

from tigerlite.config import InputError, from_dict, to_dict
from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.data.sequences import Batch
from tigerlite.distributed import broadcast
from tigerlite.evaluation.codes import codes_health
from tigerlite.optim import SeparateGroup
from tigerlite.recommenders.calibration import load_calibration, save_calibration
from tigerlite.recommenders.copying import Visits
from tigerlite.recommenders.generative import GenerativeRecommender
from tigerlite.recommenders.soft_batch import SoftBatch, expected_embeddings, means_of_seen, scattered, soften
from tigerlite.recommenders.tiger_config import TIGERConfig
from tigerlite.recommenders.trie import Trie
from tigerlite.recommenders.unigrec_config import UniGRecConfig
from tigerlite.recommenders.unigrec_terms import UniGRecTerms, entropies
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.code_table import rebuilt_table, tokenizer_codes
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE
from tigerlite.tokenizers.vocabulary import SemanticVocab

_WEIGHTS = "model.safetensors"
# Items encoded at a time outside training.
_CHUNK = 4096


class UniGRec(GenerativeRecommender):
    """Tokenizer and T5 in one module.

    Args:
        config: a `TIGERConfig` as primitives: network, training length, decoding.
        settings: a `UniGRecConfig` as primitives.
        bank: the first code table, L codes and a digit (`soft_identifiers.code_table`).
        tokenizer: copied.
        inputs: (N + 1, D') normalised inputs of the tokenizer, row 0 padding; None = a model that only serves.
        teacher: (N + 1, C), row 0 padding; None = no distillation.
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
        teacher: Tensor | None = None,
        stage: str = "finetune",
    ) -> None:
        super().__init__(stage, from_dict(TIGERConfig, config), bank)
        self.save_hyperparameters({"config": config, "settings": settings, "stage": stage})
        self.settings = from_dict(UniGRecConfig, settings)
        self.settings.check_tiger(self.config)
        self.tokenizer = copy.deepcopy(tokenizer).train().requires_grad_(self.settings.train_tokenizer)
        if not self.settings.reconstruction_weight:
            self.tokenizer.decoder.requires_grad_(False)
        self.terms = UniGRecTerms(
            self.settings,
            teacher if self.settings.needs_teacher else None,
            d_model=self.config.t5.d_model,
            n_dimensions=tokenizer.n_dimensions,
            latent=tokenizer.config.latent,
        )
        self.register_buffer("inputs", inputs, persistent=False)
        self.register_buffer("item_vectors", None, persistent=False)
        self.register_buffer("code_table", bank.primary.clone())
        self.register_load_state_dict_post_hook(lambda model, _: model.use_codes(model.code_table))
        self._soft: SoftBatch | None = None
        self.other_losses: dict[str, Tensor] = {}
        """What the latest training batch cost beside L_rec, by name, without weights."""
        self._entropies: dict[str, Tensor] = {}
        self._skip_buffers()

    @property
    def name(self) -> str:
        """The method's name."""
        return "unigrec"

    @property
    def bank(self) -> TokenizerBank:
        """The identifiers of the catalogue as they are now, on the CPU."""
        return TokenizerBank(self.codes.cpu()[None], SemanticVocab(self.vocab.codebook_sizes))

    @property
    def tokens_per_item(self) -> int:
        """Vectors of one history item: one per level, without the digit."""
        return len(self.tokenizer.codebook_sizes)

    def use_codes(self, codes: Tensor) -> None:
        """Write the items as codes (N + 1, L + 1) from now on."""
        tokens = self.vocab.tokens(codes)
        tokens[:, 0] = self.vocab.pad
        self.trie = Trie(codes).to(self.device)
        self.codes, self.item_tokens = codes.to(self.device), tokens.to(self.device)
        self.code_table = self.codes.clone()
        self.item_vectors = None if self.inputs is not None else self.item_vectors
        self._skip_buffers()

    def take_identifiers(self, base: "UniGRec") -> None:
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
            parts = self._checked_inputs()[1:].split(_CHUNK)
            vectors = torch.cat([self._vectors(self.tokenizer.quantize(part).shares) for part in parts])
            self.item_vectors = pad(vectors, (0, 0, 0, 0, 1, 0))
        return self.item_vectors

    def training_losses(self, batch: Batch | PrefixBatch) -> Tensor:
        """Terms (n_targets, L + 1) whose mean is L_rec; the other losses are kept for `training_step`."""
        prefix = isinstance(batch, PrefixBatch)
        sequences = batch.sequences if prefix else torch.cat([batch.histories, batch.targets[:, None]], dim=1)
        soft = self._soft = self._soften(sequences)
        encoded, mask = self._read(self._vectors(soft.quantized.shares), soft.places[:, :-1])
        if prefix:
            prefixes = self._prefixes(sequences, batch.first)
            labels = self._labels(prefixes.targets)
            hidden = self.t5.decode_targets(self._decoder_tokens(labels), encoded, prefixes.seen)
            targets, labels, hidden = (rows[prefixes.wanted] for rows in (prefixes.targets, labels, hidden))
            pooled = means_of_seen(prefixes.seen, encoded)[prefixes.wanted]
        else:
            targets, labels = batch.targets, self._labels(batch.targets)
            hidden = self.t5.decode(self._decoder_tokens(labels), encoded, mask)
            pooled = means_of_seen(mask[:, None], encoded)[:, 0]
        losses = self._losses(hidden, targets, labels)
        self.other_losses = self.terms(
            self.current_epoch, self.tokenizer, soft, pooled=pooled, states=hidden[:, 0], targets=targets
        )
        self._entropies = entropies(soft)
        self._soft = None
        return losses

    def training_step(self, batch: Batch | PrefixBatch, batch_idx: int) -> Tensor:
        """The sum of all losses, each with its weight; once per epoch also the gradient that L_rec gives the tokenizer."""
        recommendation = super().training_step(batch, batch_idx)
        loss = recommendation + sum(self.terms.weights[name] * term for name, term in self.other_losses.items())
        values = {name: term.detach() for name, term in self.other_losses.items()}
        if self.settings.train_tokenizer and batch_idx == 0:
            values["tokenizer_gradient"] = self.tokenizer_gradient(recommendation)
        values = {f"{self.stage}/train/{name}": value for name, value in (values | self._entropies).items()}
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=1, sync_dist=True)
        self._parts = self._parts | {name: term.detach() for name, term in self.other_losses.items()}
        # Every process has to give every weight a gradient, also of losses that have not started.
        idle = self.terms.idle(self.current_epoch, self.tokenizer)
        return loss + sum(0.0 * weight.sum() for weight in idle)

    def tokenizer_gradient(self, loss: Tensor) -> Tensor:
        """Norm of the gradient of a loss in the tokenizer's encoder and codebooks."""
        weights = [*self.tokenizer.encoder.parameters(), *self.tokenizer.quantizer.parameters()]
        gradients = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        return torch.stack([gradient.norm() for gradient in gradients if gradient is not None]).norm()

    def separate_parameters(self) -> list[SeparateGroup]:
        """The tokenizer has a learning rate of its own."""
        trained = [weight for weight in self.tokenizer.parameters() if weight.requires_grad]
        own = [SeparateGroup(trained, self.settings.tokenizer_lr)] if trained else []
        return [*super().separate_parameters(), *own]

    def on_train_epoch_start(self) -> None:
        """Rebuild the identifiers, where it is their turn, and log what changed and how evenly codes are used."""
        epoch = self.current_epoch
        if not self.settings.train_tokenizer or not epoch or epoch % self.settings.rebuild_every:
            return
        changed = self.rebuild()
        health = codes_health(self.codes[1:].cpu().numpy(), self.vocab.codebook_sizes)
        for level, (share, use) in enumerate(zip(changed, health, strict=True), start=1):
            names = {f"changed/level{level}": share, f"perplexity/level{level}": use.perplexity}
            self.log_dict({f"{self.stage}/codes/{name}": value for name, value in names.items()}, sync_dist=True)

    @torch.no_grad()
    def rebuild(self) -> tuple[float, ...]:
        """Give the items the codes of the tokenizer as it is; returns the share of items that changed, level by level."""
        codes = tokenizer_codes(
            self.tokenizer, self._checked_inputs()[1:], self.codes[1:, :-1], self.settings.hysteresis
        )
        # Processes on unlike hardware may round a tie differently; all take the first one's codes.
        table = rebuilt_table(self.codes[1:], broadcast(codes), self.vocab.codebook_sizes)
        self.use_codes(pad(table.codes, (0, 0, 1, 0)).to(self.device))
        return table.changed

    @property
    def fingerprint(self) -> str:
        """Hex digest of weights, identifiers and item vectors."""
        digest = hashlib.sha256(self.codes.cpu().numpy().tobytes())
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
    def load(cls, folder: Path) -> "UniGRec":
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

    def _vectors(self, shares: tuple[Tensor, ...]) -> Tensor:
        return expected_embeddings(shares, self.t5.embedding.weight, self.vocab.offsets)

    def _read(self, vectors: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded histories and their mask; vectors (U, L, D) at places (B, T), 0 at padding."""
        embeddings = scattered(vectors, self.t5.embedding.weight[self.vocab.pad], places)
        mask = (places > 0).repeat_interleave(self.tokens_per_item, dim=1)
        if self.config.user_token:
            user = self.t5.embedding.weight[self.vocab.user].expand(len(places), 1, -1)
            embeddings, mask = torch.cat([user, embeddings], dim=1), pad(mask, (1, 0), value=True)
        return self.t5.encode_embeddings(embeddings, mask, self._visible(places.shape[1])), mask

    def _cross_entropy(self, hidden: Tensor, targets: Tensor, labels: Tensor, visits: Visits | None = None) -> Tensor:
        """Cross-entropy (B, L + 1); with soft targets against the targets' mixtures, the digit against its code."""
        hard = super()._cross_entropy(hidden, targets, labels, visits)
        if not (self.settings.soft_targets and self._soft is not None):
            return hard
        rows = torch.searchsorted(self._soft.items, targets)
        levels = []
        for level, shares in enumerate(self._soft.quantized.shares):
            logits = self.t5.code_logits(hidden[:, level], self.vocab.offsets[level], shares.shape[1])
            levels.append(-(shares[rows] * log_softmax(logits, dim=1)).sum(dim=1))
        return torch.cat([torch.stack(levels, dim=1), hard[:, len(levels) :]], dim=1)
