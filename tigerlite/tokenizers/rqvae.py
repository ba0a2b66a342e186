"""RQ-VAE: an autoencoder whose latent is residually quantised; the codes are the item's semantic id.

TIGER (arXiv 2305.05065, Section 3.1) and MTGRec (arXiv 2504.04400). Loss: reconstruction + beta * commitment (+ the
codebook term where codebooks are learned by gradient), all of them means, see `losses/quantization.py`.
`configs/models/rqvae_paper.yaml` is MTGRec's tokenizer to the letter; the defaults depart from it where fields say so.
LETTER (arXiv 2405.07314) is this model with two more terms, see `letter.py`.
"""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tigerlite.config import InputError, from_dict, to_dict
from tigerlite.distributed import all_reduce_sum
from tigerlite.losses.quantization import codebook_loss, commitment_loss, reconstruction_loss
from tigerlite.losses.uniformity import uniformity_loss
from tigerlite.tokenizers.index_batches import IndexBatches, seeded_generator
from tigerlite.tokenizers.normalise import empty_normaliser, fit_normaliser
from tigerlite.tokenizers.residual import Quantized, ResidualQuantizer
from tigerlite.tokenizers.rqvae_config import RQVAEConfig
from tigerlite.tokenizers.space import AdditiveSpace

_WEIGHTS = "tokenizer.safetensors"
_META = "tokenizer.json"

# Streams of randomness of one (seed, epoch): stream 0 orders the batches.
_REVIVAL, _HOLDOUT, _DROPOUT = 1, 2, 3  # the last one takes rank more
# Items encoded at a time.
_CHUNK = 16384


class RQVAE(LightningModule):
    """Encoder, residual quantiser and decoder over item embeddings.

    Args:
        config: an `RQVAEConfig`, or its primitives (what checkpoints hold).
        n_dimensions: width D of the embeddings, before whitening.
    """

    def __init__(self, config: RQVAEConfig | dict[str, Any], n_dimensions: int) -> None:
        super().__init__()
        self.config = config if isinstance(config, RQVAEConfig) else from_dict(RQVAEConfig, config)
        self.n_dimensions = n_dimensions
        self.save_hyperparameters({"config": to_dict(self.config), "n_dimensions": n_dimensions})
        config = self.config
        self.normalise = empty_normaliser(n_dimensions, whiten=config.whiten, standardise=config.standardise)
        widths = [config.whiten or n_dimensions, *config.hidden_sizes, config.latent]
        self.encoder = _mlp(widths, config.dropout)
        self.decoder = _mlp(widths[::-1], config.dropout)
        self.quantizer = ResidualQuantizer(
            config.codebook_sizes, config.latent, kind=config.codebook, decay=config.decay
        )
        self.quantizer.assignment, self.quantizer.temperature = config.assignment, config.temperature
        self.quantizer.sinkhorn_epsilons = config.sinkhorn_epsilons or (0.0,) * len(config.codebook_sizes)
        self.quantizer.sinkhorn_iterations = config.sinkhorn_iterations
        self.regulariser: nn.Module | None = None
        self.register_buffer("initialised", torch.tensor(False))
        # The items stay on the device and out of checkpoints; ddp, which broadcasts buffers every step, must skip them.
        self.register_buffer("items", torch.empty(0), persistent=False)
        self.register_buffer("epoch_codes", torch.empty(0), persistent=False)
        self._ddp_params_and_buffers_to_ignore = ["items", "epoch_codes"]
        self.training_rows = self.heldout_rows = torch.empty(0, dtype=torch.int64)

    @property
    def monitor(self) -> str:
        """The metric, lower is better, that chooses the checkpoint."""
        return "tokenize/validation/reconstruction" if self.config.holdout else "tokenize/train/loss"

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Codes per level."""
        return self.config.codebook_sizes

    def forward(self, inputs: Tensor) -> tuple[Tensor, Quantized]:
        """Reconstructions (B, D') and what the quantiser did, of normalised inputs (B, D')."""
        quantized = self.quantizer(self.encoder(inputs))
        return self.decoder(quantized.quantized), quantized

    @torch.no_grad()
    def attach(self, embeddings: Tensor, rows: Tensor | None = None, known: Tensor | None = None) -> None:
        """Give the model its items (N, D): normalise by the statistics of `known` rows, train on `rows` (default: all).

        Raises:
            InputError: if the items are too few for the codebooks or the whitening.
        """
        rows = torch.arange(len(embeddings)) if rows is None else rows
        whiten, standardise = self.config.whiten, self.config.standardise
        seen = embeddings if known is None else embeddings[known]
        step = fit_normaliser(seen, whiten=whiten, standardise=standardise, section="tokenize.rqvae")
        self.normalise.load_state_dict(step.state_dict())
        n_heldout = max(1, round(self.config.holdout * len(rows))) if self.config.holdout else 0
        largest = max(self.config.codebook_sizes)
        if len(rows) - n_heldout < largest:
            raise InputError(
                f"{len(rows) - n_heldout} items to train on are fewer than the {largest} codes of a level; "
                f"set tokenize.rqvae.codebook_sizes to smaller levels"
            )
        order = torch.randperm(len(rows), generator=seeded_generator(self.config.seed, 0, _HOLDOUT))
        self.heldout_rows, self.training_rows = rows[order[:n_heldout]], rows[order[n_heldout:].sort().values]
        self.items = self.normalise(embeddings)
        self.epoch_codes = torch.zeros(len(embeddings), len(self.config.codebook_sizes), dtype=torch.int64)

    def regularise(self, terms: nn.Module) -> None:
        """Add terms to the training loss: `terms(rows, quantized, quantizer)` gives them by name, each with its weight.

        Args:
            terms: also has `start_epoch(quantizer, epoch)`; its buffers are not saved.
        """
        self.regulariser = terms
        self._ddp_params_and_buffers_to_ignore += [f"regulariser.{name}" for name, _ in terms.named_buffers()]

    def encode(self, embeddings: Tensor) -> Tensor:
        """Codes (N, L) of embeddings (N, D), normalisation included, dropout off."""
        return self._in_chunks(embeddings, lambda part: self.quantizer.encode(self.encoder(part)))

    def latents(self, embeddings: Tensor) -> Tensor:
        """What the quantiser sees, (N, latent), of embeddings (N, D)."""
        return self._in_chunks(embeddings, self.encoder)

    def space(self, embeddings: Tensor) -> AdditiveSpace:
        """Where codes of items with embeddings (N, D) lie near each other."""
        codebooks = [codebook.vectors.detach().cpu().numpy() for codebook in self.quantizer.codebooks]
        return AdditiveSpace(self.latents(embeddings).cpu().numpy(), codebooks)

    def last_level_distances(self, embeddings: Tensor) -> Tensor:
        """Squared distances (N, K) of embeddings (N, D) to the last level's vectors."""
        return self._in_chunks(embeddings, lambda part: self.quantizer.last_level_distances(self.encoder(part)))

    def training_codes(self) -> Tensor:
        """Codes (n, L) that the training items got in this epoch, each when its batch came; equal on all processes."""
        return all_reduce_sum(self.epoch_codes)[self.training_rows.to(self.device)]

    def train_dataloader(self) -> IndexBatches:
        """Row numbers of the training items, in a new order every epoch."""
        config = self.config
        return IndexBatches(self.training_rows, config.batch_size, seed=config.seed, epoch=lambda: self.current_epoch)

    def val_dataloader(self) -> IndexBatches:
        """Row numbers of the held-out items."""
        return IndexBatches(self.heldout_rows, self.config.batch_size, seed=None)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW or Adagrad, linear warm-up, then a constant learning rate."""
        settings = {"lr": self.config.lr, "weight_decay": self.config.weight_decay}
        if self.config.optimizer == "adagrad":
            optimizer: torch.optim.Optimizer = torch.optim.Adagrad(self.parameters(), **settings)
        else:
            optimizer = torch.optim.AdamW(self.parameters(), **settings, fused=True)
        n_steps = max(1, round(self.config.warmup_epochs * len(self.train_dataloader())))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / n_steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_fit_start(self) -> None:
        """Start the codebooks from k-means, unless a checkpoint has brought trained ones."""
        if not self.config.holdout:
            self.trainer.limit_val_batches = 0
        self.quantizer.revive_after = self.config.revive_after * len(self.train_dataloader())
        if self.config.kmeans_init and not self.initialised:
            self.quantizer.initialise(
                self._without_dropout(self.items[self.training_rows], self.encoder), self.config.seed
            )
        self.initialised.fill_(True)

    def on_train_epoch_start(self) -> None:
        """Make randomness a function of (seed, epoch, rank), so that a resumed run equals an uninterrupted one."""
        dropout = seeded_generator(self.config.seed, self.current_epoch, _DROPOUT + self.global_rank)
        torch.manual_seed(dropout.initial_seed())
        self.quantizer.generator = seeded_generator(self.config.seed, self.current_epoch, _REVIVAL)
        self.epoch_codes.zero_()
        if self.regulariser is not None:
            self.regulariser.start_epoch(self.quantizer, self.current_epoch)

    def training_step(self, rows: Tensor) -> Tensor:
        """Loss of a batch of items (B,)."""
        inputs = self.items[rows]
        reconstructions, quantized = self(inputs)
        self.epoch_codes[rows] = quantized.codes
        reconstruction = reconstruction_loss(reconstructions, inputs)
        loss = reconstruction + self.config.beta * commitment_loss(quantized.residuals, quantized.vectors)
        if self.config.codebook == "gradient":
            loss = loss + codebook_loss(quantized.residuals, quantized.vectors)
        terms = self._terms(rows, quantized)
        for term in terms.values():
            loss = loss + term
        parts = {"tokenize/train/loss": loss, "tokenize/train/reconstruction": reconstruction}
        parts |= {f"tokenize/train/{name}": term for name, term in terms.items()}
        self.log_dict(parts, on_step=False, on_epoch=True, batch_size=len(rows), sync_dist=True)
        return loss

    def _terms(self, rows: Tensor, quantized: Quantized) -> dict[str, Tensor]:
        """What is added to the loss of a batch of items (B,), each times its weight."""
        terms = {} if self.regulariser is None else self.regulariser(rows, quantized, self.quantizer)
        if self.config.uniformity_weight:
            levels = zip(self.quantizer.codebooks, quantized.residuals, strict=True)
            distances = [codebook.distances(residual) for codebook, residual in levels]
            terms["uniformity"] = self.config.uniformity_weight * uniformity_loss(distances, self.config.temperature)
        return terms

    def validation_step(self, rows: Tensor) -> None:
        """Log the reconstruction loss of held-out items (B,)."""
        inputs = self.items[rows]
        loss = reconstruction_loss(self(inputs)[0], inputs)
        self.log("tokenize/validation/reconstruction", loss, batch_size=len(rows), sync_dist=True)

    def save(self, folder: Path) -> None:
        """Write weights, codebooks and normalisation; `load` reads them back."""
        state = {name: tensor.contiguous().cpu() for name, tensor in self.state_dict().items()}
        save_file(state, Path(folder) / _WEIGHTS)
        meta = {"config": to_dict(self.config), "n_dimensions": self.n_dimensions}
        (Path(folder) / _META).write_text(json.dumps(meta, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "RQVAE":
        """The tokenizer that `save` wrote, in eval mode.

        Raises:
            InputError: if the folder holds none.
        """
        folder = Path(folder)
        if not (folder / _META).is_file() or not (folder / _WEIGHTS).is_file():
            raise InputError(
                f"{folder} holds no RQ-VAE ({_META} and {_WEIGHTS}); imported identifiers have no tokenizer"
            )
        meta = json.loads((folder / _META).read_text())
        tokenizer = cls(meta["config"], meta["n_dimensions"])
        tokenizer.load_state_dict(load_file(folder / _WEIGHTS))
        return tokenizer.eval()

    def _in_chunks(self, embeddings: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """`compute` over normalised chunks of embeddings (N, D)."""
        if embeddings.ndim != 2 or embeddings.shape[1] != self.n_dimensions:
            raise InputError(
                f"embeddings have shape {tuple(embeddings.shape)}; this tokenizer takes (N, {self.n_dimensions})"
            )
        return self._without_dropout(embeddings, lambda part: compute(self.normalise(part)))

    @torch.no_grad()
    def _without_dropout(self, rows: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """`compute` over chunks of rows (N, ...) in eval mode; the mode is restored."""
        training = self.training
        self.eval()
        try:
            return torch.cat([compute(part.to(self.device)) for part in rows.split(_CHUNK)])
        finally:
            self.train(training)


def _mlp(widths: list[int], dropout: float) -> nn.Sequential:
    """Dropout and a linear layer per step, ReLU between them, none at the end."""
    layers: list[nn.Module] = []
    for width, following in pairwise(widths):
        layers += [nn.Dropout(dropout), nn.Linear(width, following), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
