import pytest
import torch

from tigerlite.config import ConfigError, InputError
from tigerlite.recommenders.t5 import T5, T5Config

TINY = T5Config(n_encoder_layers=2, n_decoder_layers=2, d_model=16, n_heads=2, d_kv=8, d_ff=32, dropout=0.0)
VOCAB_SIZE = 23
STARTS, SIZES = (1, 7, 17), (6, 10, 4)


@pytest.fixture
def model() -> T5:
    torch.manual_seed(0)
    return T5(TINY, VOCAB_SIZE).eval()


@pytest.fixture
def histories() -> tuple[torch.Tensor, torch.Tensor]:
    tokens = torch.randint(1, VOCAB_SIZE, (4, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(12) < torch.tensor([12, 3, 6, 9])[:, None]
    return tokens * mask, mask


@pytest.mark.parametrize(("n_layers", "n_parameters"), [(5, 3_280_512), (6, 3_936_512), (7, 4_592_512)])
def test_parameter_counts_equal_the_published_ones(n_layers, n_parameters):
    config = T5Config(n_encoder_layers=n_layers, n_decoder_layers=n_layers, n_heads=4, d_ff=512)
    model = T5(config, 1027)
    assert model.embedding.weight.numel() == 131_456
    assert sum(parameter.numel() for parameter in model.parameters()) == 131_456 + n_parameters


def test_weights_start_with_the_standard_deviations_of_t5():
    torch.manual_seed(0)
    config = T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=64, n_heads=8, d_kv=32, d_ff=256)
    model = T5(config, 2000)
    block, inner = model.decoder[0], 256
    expected = [
        (model.embedding.weight, 1.0),
        (block.attention.projection.weight[:inner], (64 * 32) ** -0.5),
        (block.attention.projection.weight[inner:], 64**-0.5),
        (block.attention.output.weight, inner**-0.5),
        (block.cross_attention.query.weight, (64 * 32) ** -0.5),
        (block.cross_attention.memory_projection.weight, 64**-0.5),
        (block.cross_attention.output.weight, inner**-0.5),
        (block.feed_forward.inner.weight, 64**-0.5),
        (block.feed_forward.output.weight, 256**-0.5),
    ]
    for weight, deviation in expected:
        assert weight.std().item() == pytest.approx(deviation, rel=0.03)
    assert model.encoder_bias.table.weight.std().item() == pytest.approx(64**-0.5, rel=0.2)
    assert torch.equal(block.cross_norm.weight, torch.ones(64))


def test_padding_does_not_change_a_history(model, histories):
    tokens, mask = histories
    encoded = model.encode(tokens, mask)
    alone = model.encode(tokens[1:2, :3], mask[1:2, :3])
    torch.testing.assert_close(encoded[1:2, :3], alone, atol=1e-5, rtol=1e-5)
    decoder_tokens = torch.tensor([[0, 2, 8]])
    hidden = model.decode(decoder_tokens, encoded[1:2], mask[1:2])
    torch.testing.assert_close(hidden, model.decode(decoder_tokens, alone, mask[1:2, :3]), atol=1e-5, rtol=1e-5)


def test_embeddings_as_input_equal_tokens_as_input(model, histories):
    tokens, mask = histories
    assert torch.equal(model.encode_embeddings(model.embedding(tokens), mask), model.encode(tokens, mask))


def test_later_decoder_tokens_do_not_change_earlier_positions(model, histories):
    encoded, mask = model.encode(*histories), histories[1]
    first = model.decode(torch.tensor([[0, 1, 2]]).expand(4, -1), encoded, mask)
    second = model.decode(torch.tensor([[0, 1, 9]]).expand(4, -1), encoded, mask)
    torch.testing.assert_close(first[:, :2], second[:, :2])
    assert not torch.allclose(first[:, 2], second[:, 2])


def test_logits_of_a_levels_codes_are_slices_of_the_full_logits(model, histories):
    hidden = model.decode(torch.tensor([[0, 1, 9]]).expand(4, -1), model.encode(*histories), histories[1])
    full = model.logits(hidden)
    for level, (start, size) in enumerate(zip(STARTS, SIZES, strict=True)):
        levels = model.code_logits(hidden[:, level], start, size)
        torch.testing.assert_close(levels, full[:, level, start : start + size])


def test_steps_along_parents_equal_teacher_forcing(model, histories):
    encoded, mask = model.encode(*histories), histories[1]
    generator = torch.Generator().manual_seed(3)
    state = model.start_decoding(encoded, mask)
    paths = torch.zeros(4, 1, 1, dtype=torch.int64)  # (B, W, t)
    parents = None
    for n_beams in (1, 3, 5, 2):
        if n_beams > 1:
            parents = torch.randint(0, paths.shape[1], (4, n_beams), generator=generator)
            kept = paths.gather(1, parents[..., None].expand(-1, -1, paths.shape[2]))
            tokens = torch.randint(1, VOCAB_SIZE, (4, n_beams), generator=generator)
            paths = torch.cat((kept, tokens[..., None]), dim=2)
        hidden, state = model.decode_step(paths[..., -1], state, parents)
        for beam in range(n_beams):
            expected = model.decode(paths[:, beam], encoded, mask)[:, -1]
            torch.testing.assert_close(hidden[:, beam], expected, atol=1e-5, rtol=1e-4)


def test_a_history_without_tokens_gives_finite_numbers_and_gradients(model, histories):
    tokens, mask = histories
    mask = mask & (torch.arange(4) != 2)[:, None]
    for precision in (torch.float32, torch.bfloat16):
        with torch.autocast("cpu", precision, enabled=precision == torch.bfloat16):
            logits = model(tokens, mask, torch.tensor([[0, 1]]).expand(4, -1))
        assert logits.isfinite().all()
        logits.sum().backward()
        assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_bfloat16_autocast_is_close_and_keeps_the_head_in_float32(model, histories):
    decoder_tokens = torch.tensor([[0, 1, 9]]).expand(4, -1)
    expected = model(*histories, decoder_tokens)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(*histories, decoder_tokens)
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, atol=0.15, rtol=0.05)


def test_dropout_acts_in_training_and_follows_the_seed(histories):
    torch.manual_seed(0)
    model = T5(T5Config(**{**TINY.__dict__, "dropout": 0.2}), VOCAB_SIZE)
    decoder_tokens = torch.tensor([[0, 1]]).expand(4, -1)

    def seeded(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return model(*histories, decoder_tokens)

    assert torch.equal(seeded(1), seeded(1))
    assert not torch.equal(seeded(1), seeded(2))
    model.eval()
    assert torch.equal(seeded(1), seeded(2))


def test_a_small_network_learns_to_repeat_the_last_item():
    torch.manual_seed(0)
    model = T5(T5Config(**{**TINY.__dict__, "dropout": 0.05}), VOCAB_SIZE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    tokens = torch.randint(1, VOCAB_SIZE, (64, 4))
    mask, decoder_tokens = torch.ones_like(tokens).bool(), torch.zeros(64, 1, dtype=torch.int64)
    losses = []
    for _ in range(60):
        logits = model(tokens, mask, decoder_tokens)
        loss = torch.nn.functional.cross_entropy(logits[:, 0], tokens[:, -1])
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("n_encoder_layers", 0, "an integer >= 1"),
        ("n_decoder_layers", 0, "an integer >= 1"),
        ("d_model", 0, "an integer >= 1"),
        ("n_heads", -1, "an integer >= 1"),
        ("d_kv", 0, "an integer >= 1"),
        ("d_ff", 0, "an integer >= 1"),
        ("dropout", 1.0, "0 <= dropout < 1"),
        ("relative_buckets", 7, "an even number >= 4"),
        ("relative_max_distance", 16, "more than relative_buckets / 2 = 16"),
    ],
)
def test_config_values_out_of_range_are_refused(field, value, allowed):
    with pytest.raises(ConfigError, match=f"{field}={value} is out of range; allowed: {allowed}"):
        T5Config(**{field: value})


def test_an_empty_vocabulary_is_refused():
    with pytest.raises(InputError, match="vocab_size=0 is out of range; allowed: an integer >= 1"):
        T5(TINY, 0)
