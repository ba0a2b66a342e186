"""Text embeddings against one-by-one computation, against sentence-transformers, and the mistakes a user can make."""

import numpy as np
import pytest

from tests.encoders.tiny_models import TEXTS, save_bert, save_llama, save_sentence_t5, save_tokenizer
from tests.reference.text_embedding import embed_one_by_one
from tigerlite.config import ConfigError, InputError
from tigerlite.encoders import ENCODERS
from tigerlite.encoders.pretrained import MINILM_PACKAGE, bundled_minilm
from tigerlite.encoders.text import PRESETS, TextEncoderConfig, encode_texts, load_text_model

SENTENCES = [
    "A man is playing a guitar on stage.",
    "Someone performs music with a guitar.",
    "Quarterly tax returns are due in April.",
    "Cat",
    "Toy Story (1995). Adventure, Animation, Children, Comedy, Fantasy",
]


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip(MINILM_PACKAGE, reason="the model ships with the extra `demo`, which is not installed")
    return load_text_model(TextEncoderConfig(preset="minilm"))


def test_minilm_equals_one_sentence_at_a_time(minilm):
    from transformers import BertModel

    expected = embed_one_by_one(bundled_minilm(), BertModel, SENTENCES, pooling="mean", normalize=True)
    np.testing.assert_allclose(minilm.encode(SENTENCES, batch_tokens=64), expected, atol=1e-5)


def test_order_and_size_of_batches_do_not_matter(minilm):
    embeddings = minilm.encode(SENTENCES, batch_tokens=10_000)
    np.testing.assert_allclose(minilm.encode(SENTENCES[::-1], batch_tokens=10_000)[::-1], embeddings, atol=1e-5)
    np.testing.assert_allclose(minilm.encode(SENTENCES, batch_tokens=1), embeddings, atol=1e-5)


def test_paraphrases_are_nearer_than_unrelated_sentences(minilm):
    cosine = minilm.encode(SENTENCES, batch_tokens=10_000) @ minilm.encode(SENTENCES, batch_tokens=10_000).T
    np.testing.assert_allclose(np.diag(cosine), 1, atol=1e-5)
    assert cosine[0, 1] > 0.5 > 0.2 > cosine[0, 2]


def test_minilm_and_sentence_t5_equal_sentence_transformers(tmp_path, minilm):
    originals = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    original = originals.SentenceTransformer(bundled_minilm(), device="cpu", local_files_only=True)
    expected = original.encode(SENTENCES, show_progress_bar=False)
    np.testing.assert_allclose(minilm.encode(SENTENCES, batch_tokens=100), expected, atol=1e-5)
    for activation in ("torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Tanh"):
        folder = tmp_path / activation
        config = TextEncoderConfig(preset="sentence-t5", model=save_sentence_t5(folder, activation))
        expected = originals.SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        expected = expected.encode(TEXTS, show_progress_bar=False)
        embeddings = encode_texts(TEXTS, config)
        assert embeddings.shape == (len(TEXTS), 12)
        np.testing.assert_allclose(embeddings, expected, atol=1e-5)


def test_sentence_t5_is_mean_then_dense_then_unit_length(tmp_path):
    from safetensors.torch import load_file
    from transformers import T5EncoderModel

    folder = save_sentence_t5(tmp_path)
    projection = load_file(tmp_path / "2_Dense" / "model.safetensors")["linear.weight"]
    expected = embed_one_by_one(folder, T5EncoderModel, TEXTS, pooling="mean", normalize=True, projection=projection)
    config = TextEncoderConfig(preset="sentence-t5", model=folder, batch_tokens=12)
    np.testing.assert_allclose(encode_texts(TEXTS, config), expected, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_decoder_without_padding_token_equals_one_text_at_a_time(tmp_path, pooling):
    from transformers import LlamaModel

    folder = save_llama(tmp_path)
    expected = embed_one_by_one(folder, LlamaModel, TEXTS, pooling=pooling, normalize=False)
    config = TextEncoderConfig(preset="llama-2-7b", model=folder, pooling=pooling, max_tokens=64)
    np.testing.assert_allclose(encode_texts(TEXTS, config), expected, atol=1e-5)


def test_e5_puts_its_prompt_before_every_text_and_bge_takes_the_first_token(tmp_path):
    from transformers import BertModel

    folder = save_bert(tmp_path)
    e5 = TextEncoderConfig(preset="e5", model=folder, max_tokens=64)
    expected = embed_one_by_one(folder, BertModel, TEXTS, pooling="mean", normalize=True, prompt="query: ")
    np.testing.assert_allclose(encode_texts(TEXTS, e5), expected, atol=1e-5)
    bge = TextEncoderConfig(preset="bge", model=folder, max_tokens=64)
    expected = embed_one_by_one(folder, BertModel, TEXTS, pooling="cls", normalize=True)
    np.testing.assert_allclose(encode_texts(TEXTS, bge), expected, atol=1e-5)


def test_fields_override_the_preset(tmp_path):
    from transformers import BertModel

    folder = save_bert(tmp_path)
    fields = {"model": folder, "max_tokens": 64, "pooling": "last", "normalize": False, "prompt": ""}
    expected = embed_one_by_one(folder, BertModel, TEXTS, pooling="last", normalize=False)
    np.testing.assert_allclose(encode_texts(TEXTS, TextEncoderConfig(preset="e5", **fields)), expected, atol=1e-5)


def test_long_texts_are_cut_at_the_end_special_tokens_included(tmp_path):
    config = TextEncoderConfig(preset="none", model=save_bert(tmp_path), max_tokens=4)
    model = load_text_model(config)
    assert [len(tokens) for tokens in model.tokenize(TEXTS)] == [4, 4, 3, 4, 3]
    cut = encode_texts(["small case for the large drum", "small case"], config)
    np.testing.assert_allclose(cut[0], cut[1], atol=1e-6)


def test_bf16_agrees_with_fp32_to_two_digits_and_returns_float32(tmp_path):
    folder = save_bert(tmp_path)
    exact, half = (
        encode_texts(TEXTS, TextEncoderConfig(preset="none", model=folder, max_tokens=64, precision=precision))
        for precision in ("fp32", "bf16")
    )
    assert half.dtype == np.float32
    cosine = (exact * half).sum(axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(half, axis=1)
    assert (cosine > 0.995).all()
    assert not np.array_equal(exact, half)


def test_registered_encoder_is_the_function_of_this_file():
    assert ENCODERS["text"] is encode_texts


def test_every_preset_makes_a_valid_config():
    for name in PRESETS:
        TextEncoderConfig(preset=name, model="folder" if name == "none" else None)


def test_more_tokens_than_the_model_takes_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"text.max_tokens=65 but model .* takes at most 64 tokens"):
        load_text_model(TextEncoderConfig(model=save_bert(tmp_path), max_tokens=65))


def test_a_text_without_tokens_and_no_texts_are_refused(tmp_path):
    folder = save_bert(tmp_path)
    save_tokenizer(tmp_path, "$A", pad_token="[PAD]")
    model = load_text_model(TextEncoderConfig(model=folder, max_tokens=64))
    with pytest.raises(InputError, match=r"the text ' ' has no tokens \(1 such texts\)"):
        model.encode(["drum", " "], batch_tokens=8)
    with pytest.raises(InputError, match=r"there are no texts to encode"):
        model.encode([], batch_tokens=8)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"preset": "minilmm"}, "preset='minilmm' is unknown; .*did you mean 'minilm'"),
        ({"pooling": "means"}, "pooling='means' is unknown; .*did you mean 'mean'"),
        ({"precision": "fp16"}, "precision='fp16' is unknown"),
        ({"preset": "none"}, "model=None is out of range; allowed: a hub id or a folder"),
        ({"model": ""}, "model='' is out of range"),
        ({"max_tokens": 0}, "max_tokens=0 is out of range"),
        ({"batch_tokens": 0}, "batch_tokens=0 is out of range"),
        ({"shard_size": 0}, "shard_size=0 is out of range"),
    ],
)
def test_values_out_of_range_are_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        TextEncoderConfig(**fields)
