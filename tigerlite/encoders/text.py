"""Embeddings of item texts by any Hugging Face text model; presets hold what each published model expects.

A preset fills the fields that are left at None, so `preset=e5` alone is complete and `preset=e5, max_tokens=128`
departs from it in one place. `preset=none` takes plain defaults (mean pooling, nothing else) for the model that `model`
names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from torch import nn

from tigerlite.config import InputError, check, check_choice
from tigerlite.encoders.pretrained import PRECISIONS, bundled_minilm, load_dense, load_pretrained
from tigerlite.encoders.text_model import POOLINGS, TextModel

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a published model expects; fields as in `TextEncoderConfig`."""

    model: str | None
    pooling: str = "mean"
    prompt: str = ""
    max_tokens: int = 256
    normalize: bool = False
    dense: bool = False


PRESETS: dict[str, Preset] = {
    # model=None: the folder inside the package of the extra `demo`; the other values are those of its model card
    "minilm": Preset(model=None, normalize=True),
    # the stock pipeline of sentence-transformers, which TIGER (arXiv 2305.05065) and MTGRec (arXiv 2504.04400) use
    "sentence-t5": Preset(model="sentence-transformers/sentence-t5-base", normalize=True, dense=True),
    # masked mean of the last hidden layer, as LETTER (arXiv 2405.07314) takes its item embeddings; the length is ours
    "llama-2-7b": Preset(model="meta-llama/Llama-2-7b-hf", max_tokens=512),
    # "query: " is the prefix that the model card asks for where embeddings serve as features, not for retrieval
    "e5": Preset(model="intfloat/e5-base-v2", prompt="query: ", max_tokens=512, normalize=True),
    # the model card asks for no prefix on the passage side
    "bge": Preset(model="BAAI/bge-base-en-v1.5", pooling="cls", max_tokens=512, normalize=True),
    "none": Preset(model=None),
}


@dataclass(frozen=True, kw_only=True)
class TextEncoderConfig:
    """Which model reads the item texts, and how."""

    preset: str = "minilm"
    """minilm (ships with the extra `demo`, needs no hub), sentence-t5, llama-2-7b, e5, bge, or none (set `model`)."""
    model: str | None = None
    """Hugging Face hub id, or a folder with config, tokenizer and safetensors; None takes the preset's."""
    pooling: str | None = None
    """How token vectors become one: mean, cls (first token) or last (last token); None takes the preset's."""
    prompt: str | None = None
    """Put before every text; None takes the preset's."""
    max_tokens: int | None = None
    """Tokens per text, special tokens included; longer texts are cut at the end; None takes the preset's."""
    normalize: bool | None = None
    """Scale every embedding to length 1; None takes the preset's."""
    dense: bool | None = None
    """Apply the projection in the model's `2_Dense` part after pooling (sentence-T5); None takes the preset's."""
    batch_tokens: int = 8192
    """Tokens per batch, padding included. Ours: fits a 110M model in 2 GB; raise it on a large GPU."""
    precision: str = "fp32"
    """fp32, or bf16 (half the memory; embeddings then agree to about 2 digits)."""
    shard_size: int = 2048
    """Items per part that is written to disk as soon as it is ready; an interrupted run loses at most one part."""

    def __post_init__(self) -> None:
        check_choice("preset", self.preset, tuple(PRESETS))
        check_choice("precision", self.precision, tuple(PRECISIONS))
        if self.pooling is not None:
            check_choice("pooling", self.pooling, tuple(POOLINGS))
        if self.max_tokens is not None:
            check(self.max_tokens >= 1, "max_tokens", self.max_tokens, "an integer >= 1, or null")
        named = bool(self.model) or (self.model is None and self.preset != "none")
        check(named, "model", self.model, "a hub id or a folder (preset='none' has none of its own)")
        check(self.batch_tokens >= 1, "batch_tokens", self.batch_tokens, "an integer >= 1")
        check(self.shard_size >= 1, "shard_size", self.shard_size, "an integer >= 1")


def load_text_model(config: TextEncoderConfig) -> TextModel:
    """The model that `config` describes, on the CPU, in evaluation mode.

    Raises:
        InputError: if the model cannot be loaded, or takes fewer tokens than `max_tokens`.
    """
    preset = PRESETS[config.preset]
    model = config.model or preset.model or bundled_minilm()
    pretrained = load_pretrained(model, config.precision)
    max_tokens = _chosen(config.max_tokens, preset.max_tokens)
    if max_tokens > pretrained.token_limit:
        raise InputError(
            f"text.max_tokens={max_tokens} but model {model} takes at most {pretrained.token_limit} tokens; "
            f"set text.max_tokens to {pretrained.token_limit} or less"
        )
    return TextModel(
        pretrained.backbone,
        pretrained.tokenizer,
        pooling=_chosen(config.pooling, preset.pooling),
        projection=load_dense(model) if _chosen(config.dense, preset.dense) else nn.Identity(),
        normalize=_chosen(config.normalize, preset.normalize),
        prompt=_chosen(config.prompt, preset.prompt),
        max_tokens=max_tokens,
    ).eval()


def encode_texts(texts: Sequence[str], config: TextEncoderConfig) -> np.ndarray:
    """Embeddings (N, D) float32 of N texts, in one go on the CPU; the stage `encode` adds devices, shards and resuming.

    Raises:
        InputError: as `load_text_model`, or if a text has no tokens.
    """
    return load_text_model(config).encode(texts, config.batch_tokens)


def _chosen(given: Value | None, default: Value) -> Value:
    return default if given is None else given
