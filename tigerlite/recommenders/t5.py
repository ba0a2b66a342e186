"""A compact T5 encoder-decoder (arXiv 1910.10683), numerically equal to transformers' `T5ForConditionalGeneration`.

ReLU feed-forward without gates, RMS normalisation, one relative bias table per stack, embeddings tied to the output
head, whose inputs are scaled by d_model**-0.5. Written for short identifiers of few codes: logits of one level's
codes alone, and decoding that computes cross-attention keys and values once per user and lays beams along the query
axis.

The head always runs in float32, also under autocast: bfloat16 logits would tie, and log-softmax needs the digits.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tigerlite.config import InputError
from tigerlite.recommenders.dropout import Dropout
from tigerlite.recommenders.relative_bias import RelativeBias
from tigerlite.recommenders.t5_blocks import DecoderBlock, EncoderBlock, T5Config, rms_norm

if TYPE_CHECKING:
    from transformers import T5ForConditionalGeneration

# Hides padding. Not -inf: the row of an empty history would become NaN; not the dtype's minimum: it overflows in
# bfloat16.
HIDDEN = -1e30


@dataclass(frozen=True)
class DecoderState:
    """What incremental decoding remembers: per user the cross-attention memory, per beam its own keys and values."""

    memories: tuple[tuple[Tensor, Tensor], ...]
    """Per layer: keys and values (B, H, S, d) of the encoded history."""
    memory_bias: Tensor
    """(B, 1, 1, S): 0, or a large negative number at padding."""
    caches: tuple[Tensor, ...] | None
    """Per layer: keys and values (t, B * W, 2*H*d) of the t tokens decoded so far; None before the first."""


class T5(nn.Module):
    """Encoder-decoder over one vocabulary of tokens; token 0 is padding and starts the decoder.

    Args:
        config: sizes of the network.
        vocab_size: V, tokens in all.

    Raises:
        InputError: if `vocab_size` < 1.
    """

    def __init__(self, config: T5Config, vocab_size: int) -> None:
        super().__init__()
        if vocab_size < 1:
            raise InputError(f"vocab_size={vocab_size} is out of range; allowed: an integer >= 1")
        self.config = config
        self.embedding = nn.Embedding(vocab_size, config.d_model)  # N(0, 1), as T5 starts
        self.encoder_bias = _bias(config, bidirectional=True)
        self.encoder = nn.ModuleList(EncoderBlock(config) for _ in range(config.n_encoder_layers))
        self.encoder_norm = rms_norm(config)
        self.decoder_bias = _bias(config, bidirectional=False)
        self.decoder = nn.ModuleList(DecoderBlock(config) for _ in range(config.n_decoder_layers))
        self.decoder_norm = rms_norm(config)
        self.dropout = Dropout(config.dropout)

    def encode(self, tokens: Tensor, mask: Tensor, visible: Tensor | None = None) -> Tensor:
        """Encoded histories (B, S, D) of `tokens` (B, S) int64; `mask` (B, S) bool is True on real tokens.

        Args:
            visible: (S, S) bool, which keys (columns) each query may see; None = all. Padding is on the right, so with
                a causal pattern no real token sees any and `mask` need not be applied: one bias serves all rows.
        """
        return self.encode_embeddings(self.embedding(tokens), mask, visible)

    def encode_embeddings(self, embeddings: Tensor, mask: Tensor, visible: Tensor | None = None) -> Tensor:
        """Encoded histories (B, S, D) of input embeddings (B, S, D), for inputs that are mixtures of tokens."""
        length = embeddings.shape[1]
        bias = self.encoder_bias(length, length)  # once for all layers
        if visible is None:
            bias = bias + _memory_bias(mask)  # (B, H, S, S)
        else:
            bias = bias.masked_fill(~visible, HIDDEN)  # (1, H, S, S)
        hidden = self.dropout(embeddings)
        for block in self.encoder:
            hidden = block(hidden, bias)
        return self.dropout(self.encoder_norm(hidden))

    def decode(self, decoder_tokens: Tensor, encoded: Tensor, mask: Tensor) -> Tensor:
        """Hidden states (B, L, D) by teacher forcing; position l sees decoder tokens 0..l, of (B, L) int64."""
        length = decoder_tokens.shape[1]
        future = torch.ones(length, length, dtype=torch.bool, device=encoded.device).triu(1)
        bias = self.decoder_bias(length, length).masked_fill(future, HIDDEN)
        memory_bias = _memory_bias(mask)
        hidden = self.dropout(self.embedding(decoder_tokens))
        for block in self.decoder:
            hidden = block(hidden, bias, block.cross_attention.memory(encoded), memory_bias)
        return self.dropout(self.decoder_norm(hidden))

    def decode_targets(self, decoder_tokens: Tensor, encoded: Tensor, seen: Tensor) -> Tensor:
        """Hidden states (B, P, L, D) of P targets per row by teacher forcing, each reading its own part of the memory.

        Args:
            decoder_tokens: (B, P, L) int64.
            encoded: (B, S, D).
            seen: (P, S) bool, which encoded tokens each target may read.
        """
        n_rows, n_targets, length = decoder_tokens.shape
        future = torch.ones(length, length, dtype=torch.bool, device=encoded.device).triu(1)
        bias = self.decoder_bias(length, length).masked_fill(future, HIDDEN)
        # All tokens of a target read the same memory: (P, S) -> (P*L, 1, 1, S) -> (1, 1, P*L, S)
        memory_bias = _memory_bias(seen.repeat_interleave(length, dim=0)).permute(1, 2, 0, 3)
        hidden = self.dropout(self.embedding(decoder_tokens)).flatten(
            0, 1
        )  # (B*P, L, D): targets do not see each other
        for block in self.decoder:
            hidden = block.attend(hidden, bias).view(n_rows, n_targets * length, -1)
            hidden = block.read_memory(hidden, block.cross_attention.memory(encoded), memory_bias)
            hidden = hidden.view(n_rows * n_targets, length, -1)
        return self.dropout(self.decoder_norm(hidden)).view(n_rows, n_targets, length, -1)

    def forward(self, tokens: Tensor, mask: Tensor, decoder_tokens: Tensor) -> Tensor:
        """Logits (B, L, V) of the token that follows each of `decoder_tokens` (B, L), given histories (B, S)."""
        return self.logits(self.decode(decoder_tokens, self.encode(tokens, mask), mask))

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (..., V) over the whole vocabulary, float32, of hidden states (..., D)."""
        return self.code_logits(hidden, 0, self.embedding.num_embeddings)

    def code_logits(self, hidden: Tensor, start: int, size: int) -> Tensor:
        """Logits (..., size) of the tokens start..start+size-1, float32, of hidden states (..., D)."""
        with torch.autocast(hidden.device.type, enabled=False):
            codes = self.embedding.weight[start : start + size].float()
            return F.linear(hidden.float() * self.config.d_model**-0.5, codes)

    def start_decoding(self, encoded: Tensor, mask: Tensor) -> DecoderState:
        """The state before the first decoder token; cross-attention keys and values are computed here, once."""
        memories = tuple(block.cross_attention.memory(encoded) for block in self.decoder)
        return DecoderState(memories, _memory_bias(mask), None)

    @torch.no_grad()
    def decode_step(self, tokens: Tensor, state: DecoderState, parents: Tensor | None) -> tuple[Tensor, DecoderState]:
        """Hidden states (B, W, D) after one more token per beam, and the state with that token; without gradients.

        Args:
            tokens: (B, W) int64; token 0 with W = 1 in the first step.
            state: from `start_decoding` or the step before.
            parents: (B, W) int64, the beam of the step before that each beam continues; None in the first step.
        """
        hidden = self.embedding(tokens)
        caches, rows, n_seen = (None,) * len(self.decoder), None, 0
        if state.caches is not None:
            caches, n_seen = state.caches, state.caches[0].shape[0]
            n_before = state.caches[0].shape[1] // len(tokens)
            rows = (parents + n_before * torch.arange(len(tokens), device=tokens.device)[:, None]).flatten()
        bias = self.decoder_bias(1, n_seen + 1, first_query=n_seen)
        grown = []
        for block, cache, memory in zip(self.decoder, caches, state.memories, strict=True):
            hidden, cache = block.step(hidden, cache, rows, bias)
            hidden = block.read_memory(hidden, memory, state.memory_bias)
            grown.append(cache)
        return self.decoder_norm(hidden), DecoderState(state.memories, state.memory_bias, tuple(grown))

    def to_huggingface(self) -> "T5ForConditionalGeneration":
        """The same network as a transformers model, weights copied; without an end token, padding 0."""
        from transformers import T5ForConditionalGeneration

        from tigerlite.recommenders.huggingface import export_weights, huggingface_config

        model = T5ForConditionalGeneration(huggingface_config(self.config, self.embedding.num_embeddings))
        export_weights(self, model)
        return model.train(self.training)

    @classmethod
    def from_huggingface(cls, model: "T5ForConditionalGeneration") -> Self:
        """The same network as a `T5`, weights copied.

        Raises:
            InputError: if the model is a variant of T5 that this class does not compute (gated or untied).
        """
        from tigerlite.recommenders.huggingface import import_weights, t5_arguments

        copy = cls(T5Config(**t5_arguments(model.config)), model.config.vocab_size)
        import_weights(copy, model)
        return copy.train(model.training)


def _bias(config: T5Config, bidirectional: bool) -> RelativeBias:
    bias = RelativeBias(config.n_heads, config.relative_buckets, config.relative_max_distance, bidirectional)
    nn.init.normal_(bias.table.weight, std=config.d_model**-0.5)
    return bias


def _memory_bias(mask: Tensor) -> Tensor:
    """(B, S) bool -> (B, 1, 1, S): 0 on real tokens, hidden at padding."""
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, HIDDEN)[:, None, None, :]
