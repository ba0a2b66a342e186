import torch

from tigerlite.recommenders.attention import CrossAttention, SelfAttention, attend, split_heads
from tigerlite.recommenders.dropout import Dropout


def test_written_out_attention_equals_the_fused_one():
    torch.manual_seed(0)
    queries, keys, values = torch.randn(3, 2, 4, 9, 8).unbind(0)
    bias = torch.randn(2, 1, 1, 9)
    written_out = attend(queries, keys, values, bias, Dropout(0.0))
    with torch.no_grad():
        fused = attend(queries, keys, values, bias, Dropout(0.0))
    torch.testing.assert_close(written_out, fused, atol=1e-6, rtol=1e-5)


def test_dropout_falls_on_the_attention_weights_in_training_alone():
    torch.manual_seed(0)
    attention = SelfAttention(8, 2, 4, dropout=0.5)
    hidden, bias = torch.randn(3, 6, 8), torch.zeros(1)
    assert not torch.equal(attention(hidden, bias), attention(hidden, bias))
    attention.eval()
    assert torch.equal(attention(hidden, bias), attention(hidden, bias))


def test_steps_with_a_cache_equal_causal_attention():
    torch.manual_seed(0)
    attention = SelfAttention(8, 2, 4, dropout=0.0)
    hidden = torch.randn(3, 5, 8)
    bias = torch.randn(1, 2, 5, 5).masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
    expected = attention(hidden, bias)
    cache, rows = None, torch.arange(3)
    for position in range(5):
        row_bias = bias[:, :, position : position + 1, : position + 1]
        with torch.no_grad():
            found, cache = attention.step(hidden[:, position], cache, rows, row_bias)
        torch.testing.assert_close(found, expected[:, position], atol=1e-5, rtol=1e-5)


def test_queries_of_one_user_do_not_see_each_other_in_cross_attention():
    torch.manual_seed(0)
    attention = CrossAttention(8, 2, 4, dropout=0.0)
    memory = attention.memory(torch.randn(2, 7, 8))
    queries = torch.randn(2, 5, 8)
    together = attention(queries, memory, torch.zeros(1))
    alone = torch.cat([attention(query, memory, torch.zeros(1)) for query in queries.split(1, dim=1)], dim=1)
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


def test_heads_are_split_as_by_views_and_so_is_their_gradient():
    projected = torch.randn(2, 5, 3 * 4 * 6, dtype=torch.float64, requires_grad=True)
    parts = split_heads(projected, 3, 4)
    expected = projected.view(2, 5, 3, 4, 6).permute(2, 0, 3, 1, 4).unbind(0)
    for part, wanted in zip(parts, expected, strict=True):
        assert part.is_contiguous()
        assert torch.equal(part, wanted)
    assert torch.autograd.gradcheck(lambda states: split_heads(states, 3, 4), projected)


def test_a_part_that_nothing_uses_gets_a_gradient_of_zero():
    projected = torch.randn(1, 2, 2 * 3, requires_grad=True)
    split_heads(projected, 2, 1)[0].sum().backward()
    assert torch.equal(projected.grad, torch.tensor([1.0, 1, 1, 0, 0, 0]).expand(1, 2, 6))
