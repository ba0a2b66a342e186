import pytest
import torch
from transformers.models.t5.modeling_t5 import T5Attention

from tigerlite.recommenders.relative_bias import RelativeBias, relative_buckets


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("n_buckets", "max_distance"), [(32, 128), (16, 20), (64, 300)])
def test_buckets_equal_those_of_transformers(bidirectional, n_buckets, max_distance):
    distances = torch.arange(-700, 701)
    expected = T5Attention._relative_position_bucket(distances, bidirectional, n_buckets, max_distance)
    found = relative_buckets(distances, n_buckets=n_buckets, max_distance=max_distance, bidirectional=bidirectional)
    assert torch.equal(found, expected)


def test_bias_of_a_late_query_is_the_last_row_of_the_square():
    bias = RelativeBias(3, 8, 20, bidirectional=False)
    square = bias(30, 30)
    assert square.shape == (1, 3, 30, 30)
    assert torch.equal(bias(1, 30, first_query=29), square[:, :, 29:])
