"""The text model as a LightningModule, so that a Trainer can place it and feed it batches."""

import lightning
from torch import Tensor

from tigerlite.encoders.text import TextEncoderConfig, load_text_model
from tigerlite.encoders.token_batches import TokenBatch


class EmbeddingEncoder(lightning.LightningModule):
    """Embeds batches of tokenized texts; nothing is trained.

    Raises:
        InputError: if the text model of `config` cannot be loaded.
    """

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.model = load_text_model(config)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Embeddings (B, D) float32 of tokens (B, T), right-padded, with mask (B, T)."""
        return self.model(tokens, mask)

    def predict_step(self, batch: TokenBatch, batch_idx: int) -> Tensor:
        """Embeddings (B, D) float32 in the order of the batch; `batch.rows` says whose they are."""
        return self(batch.tokens, batch.mask)
