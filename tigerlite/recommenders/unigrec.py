"""UniGRec: tokenizer and recommender trained together, by a loss that reaches both (arXiv 2601.17438).

Loss: L_rec + a L_recon + g L_T + d L_R + m L_CU (`unigrec_config.py`, `unigrec_terms.py`, `losses/distillation.py`). L_rec
reaches the tokenizer through the mixtures that the encoder reads (`soft_reader.py`); its labels are hard codes.

Departures from the released code, besides those named there: padding is in no loss; reconstruction is over the positions of
histories and targets together; the table is rebuilt at the start of an epoch, not at its end, so that validation and the
model that is kept have the labels that were trained on, and with hysteresis (`tokenizers/code_table.py`); tokenizer and
adapters have no weight decay and are not clipped with the T5, since their gradients carry 1 / tau. Weights of a token-weighted
objective are fitted to the first table.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, pad

from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.data.sequences import Batch
from tigerlite.distributed import all_reduce_sum, broadcast, world_size
from tigerlite.evaluation.codes import codes_health
from tigerlite.optim import SeparateGroup
from tigerlite.recommenders.copying import Visits
from tigerlite.recommenders.soft_batch import SoftBatch, means_of_seen
from tigerlite.recommenders.soft_reader import SoftReader
from tigerlite.recommenders.unigrec_terms import UniGRecTerms, entropies
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.code_table import rebuilt_table, tokenizer_codes
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE


class UniGRec(SoftReader):
    """Tokenizer and T5 in one module, with the terms of the loss; see `SoftReader` for what is served.

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
        super().__init__(config, settings, bank, tokenizer, inputs=inputs, stage=stage)
        self.tokenizer.train().requires_grad_(self.settings.train_tokenizer)
        if not self.settings.reconstruction_weight:
            self.tokenizer.decoder.requires_grad_(False)
        self.terms = UniGRecTerms(
            self.settings,
            teacher if self.settings.needs_teacher else None,
            inputs,
            d_model=self.config.t5.d_model,
            n_dimensions=tokenizer.n_dimensions,
            latent=tokenizer.config.latent,
        )
        self._soft: SoftBatch | None = None
        self.other_losses: dict[str, Tensor] = {}
        """What the latest training batch cost beside L_rec, by name, without weights."""
        self._entropies: dict[str, Tensor] = {}
        self._skip_buffers()

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
        """The sum of all losses, each with its weight; once per epoch also where gradients come from."""
        recommendation = super().training_step(batch, batch_idx)
        loss = recommendation + sum(self.terms.weights[name] * term for name, term in self.other_losses.items())
        values = {name: term.detach() for name, term in self.other_losses.items()}
        if batch_idx == 0:
            values |= self.gradient_norms(recommendation)
        values = {f"{self.stage}/train/{name}": value for name, value in (values | self._entropies).items()}
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=1, sync_dist=True)
        self._parts = self._parts | {name: term.detach() for name, term in self.other_losses.items()}
        # Every process has to give every weight a gradient, also of losses that have not started.
        idle = self.terms.idle(self.current_epoch, self.tokenizer)
        return loss + sum(0.0 * weight.sum() for weight in idle)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Leave out what no loss has reached: Adam would count its steps, and start it at several times its learning rate."""
        for weight in self.terms.idle(self.current_epoch, self.tokenizer):
            weight.grad = None

    def gradient_norms(self, recommendation: Tensor) -> dict[str, Tensor]:
        """By name: norm of L_rec's gradient in the tokenizer, and each distillation's in the T5 as a multiple of L_rec's.

        A multiple far above 1 means that the T5 is trained for its teacher (see `unigrec.tokenizer_distillation_tau`).
        """
        norms, t5 = {}, list(self.t5.parameters())
        if self.settings.train_tokenizer:
            weights = [*self.tokenizer.encoder.parameters(), *self.tokenizer.quantizer.parameters()]
            norms["tokenizer_gradient"] = gradient_norm(recommendation, weights)
        distillations = [name for name in self.other_losses if name.endswith("distillation")]
        own = gradient_norm(recommendation, t5) if distillations else None
        for name in distillations:
            norm = gradient_norm(self.terms.weights[name] * self.other_losses[name], t5)
            norms[f"gradient_ratio/{name}"] = norm / own
        return norms

    def separate_parameters(self, n_steps: int) -> list[SeparateGroup]:
        """The tokenizer has a learning rate of its own; the adapters share the T5's, but not its clipping."""
        parts = ((self.tokenizer, self.settings.tokenizer_lr), (self.terms.adapters, self.config.optimizer.lr))
        trained = [([weight for weight in part.parameters() if weight.requires_grad], lr) for part, lr in parts]
        return [
            *super().separate_parameters(n_steps),
            *(SeparateGroup(weights, lr) for weights, lr in trained if weights),
        ]

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


def gradient_norm(loss: Tensor, weights: Sequence[nn.Parameter]) -> Tensor:
    """Norm of a loss's gradient in some weights, as ddp averages it over processes; every process has to call it."""
    with torch.autocast(loss.device.type, enabled=False):
        gradients = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True, materialize_grads=True)
    return (all_reduce_sum(torch.cat([gradient.flatten() for gradient in gradients])) / world_size()).norm()
