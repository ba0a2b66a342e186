"""A saved tokenizer is opened by its kind; an RQ-VAE, which names none, is one."""

import json

import pytest
import torch

from tigerlite.config import InputError
from tigerlite.tokenizers.rqvae import RQVAE
from tigerlite.tokenizers.rqvae_config import RQVAEConfig
from tigerlite.tokenizers.saved import load_tokenizer


def test_a_file_without_a_kind_is_an_rqvae(tmp_path):
    model = RQVAE(RQVAEConfig(hidden_sizes=(4,), latent=2, codebook_sizes=(4,)), 3)
    model.save(tmp_path)
    assert "kind" not in json.loads((tmp_path / "tokenizer.json").read_text())
    rows = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(load_tokenizer(tmp_path).encode(rows), model.encode(rows))


def test_a_folder_without_a_tokenizer_and_an_unknown_kind_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no tokenizer \(tokenizer.json\); imported identifiers have none"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"kind": "oracle"}')
    with pytest.raises(
        InputError, match="names a tokenizer of kind 'oracle'; this version knows rqvae, soft_rqvae, additive"
    ):
        load_tokenizer(tmp_path)
