"""Tiny random models of the classes that the presets name, saved as a user would find them in a folder."""

import json

import torch
from safetensors.torch import save_file

WORDS = ["a", "the", "blue", "red", "guitar", "violin", "string", "bow", "case", "drum", "stick", "for", "with", "and"]
WORDS += ["small", "large"]
SIZE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
TEXTS = [
    "a blue guitar",
    "the red violin with a bow",
    "drum",
    "small case for the large drum and a drum stick",
    "string",
]


def save_tokenizer(folder, template, **special):
    """A tokenizer of whole words; `template` places the special tokens around a text, as in `[CLS] $A [SEP]`."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "query", ":"]
    vocabulary = {word: number for number, word in enumerate([*names, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if template != "$A":
        ends = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
        tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=ends)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", **special).save_pretrained(folder)


def save_bert(folder, seed=0):
    from transformers import BertConfig, BertModel

    torch.manual_seed(seed)
    BertModel(BertConfig(vocab_size=32, max_position_embeddings=64, initializer_range=0.5, **SIZE)).save_pretrained(
        folder
    )
    save_tokenizer(folder, "[CLS] $A [SEP]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]")
    return str(folder)


def save_llama(folder):
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    config = LlamaConfig(vocab_size=32, max_position_embeddings=64, initializer_range=0.5, **SIZE)
    LlamaForCausalLM(config).save_pretrained(folder)
    # as published: no padding token
    save_tokenizer(folder, "[CLS] $A", bos_token="[CLS]")
    return str(folder)


def save_sentence_t5(folder, activation="torch.nn.modules.linear.Identity"):
    """A T5 encoder with the pooling, dense and normalise parts that sentence-transformers lays out."""
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(2)
    config = T5Config(vocab_size=32, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    T5EncoderModel(config).save_pretrained(folder)
    save_tokenizer(folder, "$A [SEP]", pad_token="[PAD]", eos_token="[SEP]")
    parts = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense"), ("Normalize", "3_Normalize")
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
        for i, (name, path) in enumerate(parts)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    for name in ("1_Pooling", "2_Dense", "3_Normalize"):
        (folder / name).mkdir()
    pooling = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    dense = {"in_features": 16, "out_features": 12, "bias": False, "activation_function": activation}
    (folder / "2_Dense" / "config.json").write_text(json.dumps(dense))
    save_file({"linear.weight": torch.randn(12, 16)}, folder / "2_Dense" / "model.safetensors")
    return str(folder)
