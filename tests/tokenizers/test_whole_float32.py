"""Products of the soft tokenizer keep their digits whatever torch has been told, and torch is told the same afterwards."""

from contextlib import contextmanager

import pytest
import torch

from tigerlite.tokenizers import whole_float32 as module
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE
from tigerlite.tokenizers.soft_rqvae_config import SoftRQVAEConfig
from tigerlite.tokenizers.whole_float32 import whole_float32


@contextmanager
def told(precision: str):
    """Torch told once for all backends, and told back."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_shares_and_reconstructions_do_not_depend_on_the_precision_of_products(precision):
    torch.manual_seed(0)
    settings = SoftRQVAEConfig(
        hidden_sizes=(32,), latent=16, codebook_sizes=(32, 32), schedule="constant", tau_min=1e-3
    )
    tokenizer, embeddings = SoftRQVAE(settings, 64), torch.randn(200, 64)
    inputs = tokenizer.normalise(embeddings)
    tokenizer.initialise(inputs)
    expected, found = tokenizer(inputs), None
    with told(precision):
        found = tokenizer(inputs)
        assert torch.get_float32_matmul_precision() == precision
    assert torch.equal(found[0], expected[0])
    for ours, theirs in zip(found[1].shares, expected[1].shares, strict=True):
        assert torch.equal(ours, theirs)


def test_the_precision_is_back_also_after_an_error():
    with told("medium"):
        with pytest.raises(RuntimeError, match="inside"), whole_float32("cpu"):
            raise RuntimeError("inside")
        assert torch.get_float32_matmul_precision() == "medium"


@pytest.mark.skipif(not module._SWITCHES, reason="this torch has one switch for all backends")
def test_backends_that_were_told_different_things_are_told_them_again():
    before = module._precisions()
    try:
        for switch, precision in zip(module._SWITCHES, ("tf32", "bf16"), strict=True):
            switch.fp32_precision = precision
        with whole_float32("cpu"):
            assert module._precisions() == ("ieee", "ieee")
        assert module._precisions() == ("tf32", "bf16")
    finally:
        for switch, precision in zip(module._SWITCHES, before, strict=True):
            switch.fp32_precision = precision


def test_a_torch_with_one_switch_is_told_by_it(monkeypatch):
    monkeypatch.setattr(module, "_SWITCHES", ())
    with told("medium"):
        with whole_float32("cpu"):
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "medium"
