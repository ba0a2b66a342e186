"""The LightningModule computes what the plain model computes, without a Trainer."""

import numpy as np
import torch

from tests.encoders.tiny_models import TEXTS, save_bert
from tigerlite.encoders.module import EmbeddingEncoder
from tigerlite.encoders.text import TextEncoderConfig, encode_texts
from tigerlite.encoders.token_batches import pad_rows


def test_predict_step_equals_the_plain_model_without_a_trainer(tmp_path):
    config = TextEncoderConfig(preset="none", model=save_bert(tmp_path), max_tokens=64)
    encoder = EmbeddingEncoder(config)
    rows = np.array([3, 0, 4])
    batch = pad_rows(encoder.model.tokenize(TEXTS), rows, encoder.model.pad_id)
    with torch.no_grad():
        embeddings = encoder.predict_step(batch, 0)
    assert embeddings.dtype == torch.float32
    np.testing.assert_allclose(embeddings.numpy(), encode_texts(TEXTS, config)[rows], atol=1e-5)
