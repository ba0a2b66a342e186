"""Training of UniGRec's tokenizer alone (arXiv 2601.17438): reconstruction and codeword uniformity under a falling temperature.

    L = mean |x - x_hat|^2 + weight * sum_l KL(pbar_l || uniform)

pbar_l is the batch mean of p_l. The sum over levels is the paper's; the released code takes their mean, so that its weight is
three times ours. Codebooks start from k-means on all encoded items, where the released code takes the first
batch (1,024 points for 256 centroids).
"""

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from tigerlite.distributed import all_reduce_sum
from tigerlite.losses.quantization import reconstruction_loss
from tigerlite.losses.uniformity import usage_divergence
from tigerlite.tokenizers.index_batches import IndexBatches
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE


class SoftTraining(LightningModule):
    """Trains a tokenizer on the items it is given.

    Args:
        tokenizer: what to train.
        embeddings: (N, D) of all items.
        rows: (n,) of the items to train on.
        known: rows whose statistics normalise; None = all.
    """

    def __init__(self, tokenizer: SoftRQVAE, embeddings: Tensor, rows: Tensor, known: Tensor | None = None) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.rows = rows
        if tokenizer.standardisation is not None:
            seen = embeddings if known is None else embeddings[known]
            tokenizer.standardisation.load_state_dict(type(tokenizer.standardisation).fit(seen).state_dict())
        self.register_buffer("initialised", torch.tensor(False))
        # The items stay on the device and out of checkpoints; ddp, which broadcasts buffers every step, must skip them.
        self.register_buffer("items", tokenizer.normalise(embeddings), persistent=False)
        codes = torch.zeros(len(embeddings), len(tokenizer.codebook_sizes), dtype=torch.int64)
        self.register_buffer("epoch_codes", codes, persistent=False)
        self._ddp_params_and_buffers_to_ignore = ["items", "epoch_codes"]

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Codes per level."""
        return self.tokenizer.codebook_sizes

    def set_temperature(self, temperature: float) -> None:
        """Soften the codes by another tau from now on; called by an annealing callback."""
        self.tokenizer.quantizer.set_temperature(temperature)

    def training_codes(self) -> Tensor:
        """Codes (n, L) that the training items got in this epoch, each when its batch came; equal on all processes."""
        return all_reduce_sum(self.epoch_codes)[self.rows.to(self.device)]

    def train_dataloader(self) -> IndexBatches:
        """Row numbers of the training items, in a new order every epoch."""
        config = self.tokenizer.config
        return IndexBatches(self.rows, config.batch_size, seed=config.seed, epoch=lambda: self.current_epoch)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW; the rate rises linearly in the warm-up, then falls linearly to 0."""
        config = self.tokenizer.config
        settings = {"lr": config.lr, "weight_decay": config.weight_decay}
        # Not fused: Lightning would refuse to clip under autocast.
        optimizer = torch.optim.AdamW(self.tokenizer.parameters(), **settings)
        n_steps = int(self.trainer.estimated_stepping_batches)
        warmup = min(max(1, round(config.warmup_epochs * len(self.train_dataloader()))), n_steps)

        def factor(step: int) -> float:
            return min((step + 1) / warmup, (n_steps - step) / (n_steps - warmup + 1))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_fit_start(self) -> None:
        """Start the codebooks from k-means, unless a checkpoint has brought trained ones."""
        if not self.initialised:
            self.tokenizer.initialise(self.items[self.rows.to(self.device)])
        self.initialised.fill_(True)

    def on_train_epoch_start(self) -> None:
        """Forget the codes of the epoch before."""
        self.epoch_codes.zero_()

    def training_step(self, rows: Tensor) -> Tensor:
        """Loss of a batch of items (B,)."""
        inputs = self.items[rows]
        reconstructions, quantized = self.tokenizer(inputs)
        self.epoch_codes[rows] = quantized.codes
        reconstruction = reconstruction_loss(reconstructions, inputs)
        # KL minus log K is what the paper writes; the constant moves nothing.
        divergence = torch.stack([usage_divergence(shares) for shares in quantized.shares]).sum()
        loss = reconstruction + self.tokenizer.config.uniformity_weight * divergence
        entropies = {
            f"tokenize/train/entropy/level{level}": entropy(shares).mean()
            for level, shares in enumerate(quantized.shares, start=1)
        }
        parts = {"loss": loss, "reconstruction": reconstruction, "uniformity": divergence}
        values = {f"tokenize/train/{name}": value.detach() for name, value in parts.items()} | entropies
        values["tokenize/train/temperature"] = self.tokenizer.quantizer.temperature
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(rows), sync_dist=True)
        return loss


def entropy(shares: Tensor) -> Tensor:
    """Entropy (B,) in nats of each row of shares (B, K): 0 where one code has everything, log K where all are alike.

    >>> entropy(torch.tensor([[1.0, 0.0], [0.5, 0.5]]))
    tensor([0.0000, 0.6931])
    """
    return torch.special.entr(shares.detach()).sum(dim=1)
