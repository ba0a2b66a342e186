"""The blocks against the formulas of the T5 paper written out, and one decoding step against the whole pass."""

import pytest
import torch

from tigerlite.config import ConfigError
from tigerlite.recommenders.t5_blocks import DecoderBlock, EncoderBlock, FeedForward, T5Config, rms_norm

TINY = T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=8, n_heads=2, d_kv=3, d_ff=16, dropout=0.0)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_normalisation_divides_by_the_root_mean_square_and_keeps_the_mean():
    norm = rms_norm(TINY)
    norm.weight.data = torch.rand(8)
    hidden = torch.randn(3, 8) + 5
    expected = hidden / torch.sqrt((hidden**2).mean(dim=-1, keepdim=True) + 1e-6) * norm.weight
    torch.testing.assert_close(norm(hidden), expected)


def test_feed_forward_is_two_layers_around_a_relu():
    layer = FeedForward(TINY)
    hidden = torch.randn(2, 5, 8)
    expected = torch.relu(hidden @ layer.inner.weight.T) @ layer.output.weight.T
    torch.testing.assert_close(layer(hidden), expected)


def test_an_encoder_block_normalises_before_and_adds_after_each_part():
    block = EncoderBlock(TINY)
    hidden, bias = torch.randn(2, 5, 8), torch.randn(1, 2, 5, 5)
    middle = hidden + block.attention(block.attention_norm(hidden), bias)
    expected = middle + block.feed_forward(block.feed_forward_norm(middle))
    torch.testing.assert_close(block(hidden, bias), expected)


def test_the_input_of_a_block_is_not_written_to():
    block = EncoderBlock(TINY)
    hidden = torch.randn(2, 5, 8)
    before = hidden.clone()
    block(hidden, torch.zeros(1, 1, 1, 1))
    assert torch.equal(hidden, before)


def test_a_decoder_block_reads_the_memory_between_attention_and_feed_forward():
    block = DecoderBlock(TINY)
    hidden, encoded = torch.randn(2, 3, 8), torch.randn(2, 6, 8)
    bias, memory_bias = torch.randn(1, 2, 3, 3), torch.zeros(2, 1, 1, 6)
    memory = block.cross_attention.memory(encoded)
    first = hidden + block.attention(block.attention_norm(hidden), bias)
    second = first + block.cross_attention(block.cross_norm(first), memory, memory_bias)
    expected = second + block.feed_forward(block.feed_forward_norm(second))
    torch.testing.assert_close(block(hidden, bias, memory, memory_bias), expected)


@torch.no_grad()
def test_steps_token_by_token_equal_the_whole_pass():
    block = DecoderBlock(TINY).eval()
    hidden = torch.randn(2, 3, 8)
    bias = torch.randn(1, 2, 3, 3)
    causal = bias.masked_fill(torch.ones(3, 3, dtype=torch.bool).triu(1), torch.finfo(torch.float32).min)
    expected = block.attend(hidden, causal)
    cache, rows = None, None
    for place in range(3):
        found, cache = block.step(hidden[:, place : place + 1], cache, rows, bias[:, :, place : place + 1, : place + 1])
        torch.testing.assert_close(found[:, 0], expected[:, place])
        rows = torch.arange(2)  # each of the two beams continues itself


def test_dropout_acts_in_training_only():
    block = EncoderBlock(T5Config(d_model=8, n_heads=2, d_kv=3, d_ff=16, dropout=0.5))
    hidden, bias = torch.randn(2, 5, 8), torch.zeros(1, 1, 1, 1)
    assert not torch.equal(block(hidden, bias), block(hidden, bias))
    block.eval()
    assert torch.equal(block(hidden, bias), block(hidden, bias))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_heads": 0}, "n_heads=0 is out of range; allowed: an integer >= 1"),
        ({"dropout": 1.0}, r"dropout=1\.0 is out of range; allowed: 0 <= dropout < 1"),
        ({"relative_buckets": 5}, "relative_buckets=5 is out of range; allowed: an even number >= 4"),
        ({"relative_max_distance": 16}, "relative_max_distance=16 .* more than relative_buckets / 2 = 16"),
    ],
)
def test_sizes_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        T5Config(**settings)
