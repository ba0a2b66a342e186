"""From token ids to one vector per text: a pretrained backbone, pooling, an optional projection, an optional L2 norm.

The order is that of sentence-transformers (pool, project, normalise), so a model published there gives the same
numbers. Pooling and what follows run in float32 whatever the precision of the backbone.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from tigerlite.config import InputError
from tigerlite.encoders.token_batches import pad_rows, rows_by_length

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def mean_pooling(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real tokens: hidden (B, T, D), mask (B, T) -> (B, D)."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def cls_pooling(hidden: Tensor, mask: Tensor) -> Tensor:
    """The first token's vector: hidden (B, T, D), mask (B, T) -> (B, D)."""
    return hidden[:, 0]


def last_pooling(hidden: Tensor, mask: Tensor) -> Tensor:
    """The last real token's vector, for right padding: hidden (B, T, D), mask (B, T) -> (B, D)."""
    last = mask.sum(dim=1).clamp(min=1) - 1
    return hidden[torch.arange(len(hidden), device=hidden.device), last]


POOLINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": mean_pooling,
    "cls": cls_pooling,
    "last": last_pooling,
}


class TextModel(nn.Module):
    """Embeds texts; `load_text_model` builds one from a `TextEncoderConfig`.

    Args:
        backbone: returns `.last_hidden_state` (B, T, D) for `input_ids` and `attention_mask`.
        tokenizer: the backbone's transformers tokenizer.
        pooling: a key of `POOLINGS`.
        projection: applied to the pooled vectors, `nn.Identity()` for none.
        normalize: scale every vector to length 1.
        prompt: put before every text.
        max_tokens: longer texts are cut at the end, special tokens included in the count.
    """

    def __init__(
        self,
        backbone: nn.Module,
        tokenizer: "PreTrainedTokenizerBase",
        *,
        pooling: str,
        projection: nn.Module,
        normalize: bool,
        prompt: str,
        max_tokens: int,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection = projection
        self.tokenizer = tokenizer
        self.pooling = POOLINGS[pooling]
        self.normalize = normalize
        self.prompt = prompt
        self.max_tokens = max_tokens
        # decoders such as LLaMA have no padding token; any id will do, because the mask hides it
        self.pad_id = 0 if tokenizer.pad_token_id is None else tokenizer.pad_token_id

    def tokenize(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Token ids of each text with prompt and special tokens, cut to `max_tokens`.

        Raises:
            InputError: if there are no texts, or one has no token at all.
        """
        if not texts:
            raise InputError("there are no texts to encode; give at least one")
        prompted = [self.prompt + text for text in texts]
        encoded = self.tokenizer(prompted, truncation=True, max_length=self.max_tokens, return_attention_mask=False)
        # arrays: a list of Python ints would take nine times the memory of a large catalogue
        token_lists = [np.array(tokens, dtype=np.int32) for tokens in encoded["input_ids"]]
        empty = [row for row, tokens in enumerate(token_lists) if len(tokens) == 0]
        if empty:
            raise InputError(
                f"the text {texts[empty[0]]!r} has no tokens ({len(empty)} such texts); give these items a text, "
                "for example by a fallback when the data are prepared"
            )
        return token_lists

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Embeddings (B, D) float32 of tokens (B, T), right-padded, with mask (B, T)."""
        hidden = self.backbone(input_ids=tokens, attention_mask=mask).last_hidden_state
        embeddings = self.projection(self.pooling(hidden.float(), mask))
        return nn.functional.normalize(embeddings, dim=-1) if self.normalize else embeddings

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], batch_tokens: int) -> np.ndarray:
        """Embeddings (N, D) float32 in the order of `texts`, computed where the model's weights are."""
        device = next(self.backbone.parameters()).device
        token_lists = self.tokenize(texts)
        rows_of, parts = [], []
        for rows in rows_by_length([len(tokens) for tokens in token_lists], batch_tokens):
            batch = pad_rows(token_lists, rows, self.pad_id)
            rows_of.append(rows)
            parts.append(self(batch.tokens.to(device), batch.mask.to(device)).cpu().numpy())
        embeddings = np.empty((len(texts), parts[0].shape[1]), dtype=np.float32)
        embeddings[np.concatenate(rows_of)] = np.concatenate(parts)
        return embeddings
