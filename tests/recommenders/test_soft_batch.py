"""Encoding each item once equals encoding every position, and mixtures equal lookups at their limit."""

import torch

from tigerlite.recommenders.soft_batch import expected_embeddings, means_of_seen, scattered, soften
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE
from tigerlite.tokenizers.soft_rqvae_config import SoftRQVAEConfig

SEQUENCES = torch.tensor([[3, 1, 3, 0], [2, 3, 0, 0]])


def test_items_are_encoded_once_and_read_as_if_every_position_had_been():
    torch.manual_seed(0)
    tokenizer = SoftRQVAE(SoftRQVAEConfig(hidden_sizes=(6,), latent=3, codebook_sizes=(4, 3)), 5)
    inputs, table = torch.randn(8, 5), torch.randn(10, 7)
    soft = soften(SEQUENCES, inputs, tokenizer)
    assert soft.items.tolist() == [1, 2, 3]
    assert soft.counts.tolist() == [1, 1, 3]
    found = scattered(expected_embeddings(soft.quantized.shares, table, (1, 5)), table[0], soft.places)
    naive = tokenizer.quantize(inputs[SEQUENCES.flatten()])
    every = expected_embeddings(naive.shares, table, (1, 5)).view(2, 4, 2, 7)
    every = torch.where(SEQUENCES[..., None, None] > 0, every, table[0]).flatten(1, 2)
    torch.testing.assert_close(found, every)


def test_an_empty_history_has_no_items_and_reads_padding():
    tokenizer = SoftRQVAE(SoftRQVAEConfig(hidden_sizes=(6,), latent=3, codebook_sizes=(4, 3)), 5)
    soft = soften(torch.zeros(1, 2, dtype=torch.int64), torch.randn(8, 5), tokenizer)
    table = torch.randn(10, 7)
    found = scattered(expected_embeddings(soft.quantized.shares, table, (1, 5)), table[0], soft.places)
    assert torch.equal(found, table[0].expand(1, 4, 7))


def test_one_hot_mixtures_are_lookups():
    table = torch.randn(10, 7)
    shares = (torch.eye(4)[[2, 0]], torch.eye(3)[[1, 1]])
    found = expected_embeddings(shares, table, (1, 5))
    assert torch.equal(found, table[torch.tensor([[3, 6], [1, 6]])])


def test_means_are_over_what_is_seen():
    encoded = torch.arange(6.0).view(1, 3, 2)
    seen = torch.tensor([[True, False, False], [True, False, True], [False, False, False]])
    assert means_of_seen(seen, encoded)[0].tolist() == [[0.0, 1.0], [2.0, 3.0], [0.0, 0.0]]
