"""Batches by length: every text once, within the budget, little padding."""

import numpy as np
import pytest
import torch

from tigerlite.encoders.token_batches import pad_rows, rows_by_length


@pytest.mark.parametrize("batch_tokens", [1, 7, 64, 10_000])
def test_every_text_is_in_one_batch_and_no_batch_exceeds_the_budget(batch_tokens):
    lengths = np.random.default_rng(0).integers(1, 40, 200)
    batches = rows_by_length(lengths, batch_tokens)
    assert sorted(np.concatenate(batches)) == list(range(200))
    assert all(len(rows) == 1 or len(rows) * lengths[rows].max() <= batch_tokens for rows in batches)
    ordered = lengths[np.concatenate(batches)]
    assert (np.diff(ordered) <= 0).all()


def test_texts_of_equal_length_keep_their_order():
    assert np.concatenate(rows_by_length([3, 5, 3, 5, 3], batch_tokens=6)).tolist() == [1, 3, 0, 2, 4]


def test_padding_is_on_the_right_and_masked():
    batch = pad_rows([[5], [6, 7, 8], [9, 4]], np.array([2, 0]), pad_id=1)
    assert batch.rows.tolist() == [2, 0]
    assert batch.tokens.tolist() == [[9, 4], [5, 1]]
    assert batch.mask.tolist() == [[1, 1], [1, 0]]
    assert batch.tokens.dtype == torch.int64
