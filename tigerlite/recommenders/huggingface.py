"""Which weight of transformers' `T5ForConditionalGeneration` is which of ours, and likewise for the configurations."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tigerlite.config import InputError

if TYPE_CHECKING:
    from transformers import T5Config as HuggingFaceConfig
    from transformers import T5ForConditionalGeneration

    from tigerlite.recommenders.t5 import T5, T5Config


def huggingface_config(config: "T5Config", vocab_size: int) -> "HuggingFaceConfig":
    """The transformers configuration of the same network; generation has no end token and starts from padding, 0."""
    from transformers import T5Config as HuggingFaceConfig

    return HuggingFaceConfig(
        vocab_size=vocab_size,
        d_model=config.d_model,
        d_kv=config.d_kv,
        d_ff=config.d_ff,
        num_layers=config.n_encoder_layers,
        num_decoder_layers=config.n_decoder_layers,
        num_heads=config.n_heads,
        relative_attention_num_buckets=config.relative_buckets,
        relative_attention_max_distance=config.relative_max_distance,
        dropout_rate=config.dropout,
        pad_token_id=0,
        eos_token_id=None,
        decoder_start_token_id=0,
    )


def t5_arguments(config: "HuggingFaceConfig") -> dict[str, int | float]:
    """The arguments of our `T5Config` that describe the same network.

    Raises:
        InputError: if our network cannot compute it.
    """
    if config.feed_forward_proj != "relu":
        raise InputError(
            f"feed_forward_proj={config.feed_forward_proj!r} cannot be imported; allowed: 'relu' (T5 version 1.0)"
        )
    if not config.tie_word_embeddings:
        raise InputError("tie_word_embeddings=False cannot be imported; allowed: True (T5 version 1.0)")
    return {
        "n_encoder_layers": config.num_layers,
        "n_decoder_layers": config.num_decoder_layers,
        "d_model": config.d_model,
        "n_heads": config.num_heads,
        "d_kv": config.d_kv,
        "d_ff": config.d_ff,
        "dropout": config.dropout_rate,
        "relative_buckets": config.relative_attention_num_buckets,
        "relative_max_distance": config.relative_attention_max_distance,
    }


def export_weights(ours: "T5", theirs: "T5ForConditionalGeneration") -> None:
    """Copy every weight of ours into theirs."""
    with torch.no_grad():
        for weight, parts in _pairs(ours, theirs):
            for part, piece in zip(parts, weight.chunk(len(parts)), strict=True):
                part.copy_(piece)


def import_weights(ours: "T5", theirs: "T5ForConditionalGeneration") -> None:
    """Copy every weight of theirs into ours."""
    with torch.no_grad():
        for weight, parts in _pairs(ours, theirs):
            weight.copy_(torch.cat([part.detach() for part in parts]))


def _pairs(ours: "T5", theirs: "T5ForConditionalGeneration") -> list[tuple[Tensor, list[Tensor]]]:
    """Each weight of ours with theirs that, stacked by rows, are equal to it."""
    modules: list[tuple[nn.Module, list[nn.Module]]] = [
        (ours.embedding, [theirs.shared]),
        (ours.encoder_norm, [theirs.encoder.final_layer_norm]),
        (ours.decoder_norm, [theirs.decoder.final_layer_norm]),
        (ours.encoder_bias.table, [theirs.encoder.block[0].layer[0].SelfAttention.relative_attention_bias]),
        (ours.decoder_bias.table, [theirs.decoder.block[0].layer[0].SelfAttention.relative_attention_bias]),
    ]
    encoders = zip(ours.encoder, theirs.encoder.block, strict=True)
    decoders = list(zip(ours.decoder, theirs.decoder.block, strict=True))
    for block, other in [*encoders, *decoders]:
        attention, feed_forward = other.layer[0], other.layer[-1]
        theirs_self = attention.SelfAttention
        modules += [
            (block.attention_norm, [attention.layer_norm]),
            (block.attention.projection, [theirs_self.q, theirs_self.k, theirs_self.v]),
            (block.attention.output, [theirs_self.o]),
            (block.feed_forward_norm, [feed_forward.layer_norm]),
            (block.feed_forward.inner, [feed_forward.DenseReluDense.wi]),
            (block.feed_forward.output, [feed_forward.DenseReluDense.wo]),
        ]
    for block, other in decoders:
        cross = other.layer[1].EncDecAttention
        modules += [
            (block.cross_norm, [other.layer[1].layer_norm]),
            (block.cross_attention.query, [cross.q]),
            (block.cross_attention.memory_projection, [cross.k, cross.v]),
            (block.cross_attention.output, [cross.o]),
        ]
    return [(module.weight, [part.weight for part in parts]) for module, parts in modules]
