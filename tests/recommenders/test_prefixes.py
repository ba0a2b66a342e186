"""What a token sees and a target reads, against the definition spelled out place by place."""

import pytest
import torch

from tigerlite.recommenders.prefixes import causal_mask, item_of_token, prefixes

CPU = torch.device("cpu")


@pytest.mark.parametrize("user_token", [False, True])
def test_a_token_sees_its_own_item_and_earlier_ones(user_token):
    items = [None] * user_token + [item for item in range(3) for _ in range(2)]
    seen = causal_mask(item_of_token(3, 2, user_token=user_token, device=CPU))
    for row, mine in enumerate(items):
        for column, other in enumerate(items):
            assert bool(seen[row, column]) == (other is None or (mine is not None and other <= mine))


def test_a_target_reads_what_came_before_it_and_context_is_no_target():
    sequences = torch.tensor([[5, 6, 7, 8], [5, 6, 0, 0]])
    targets, seen, wanted = prefixes(sequences, torch.tensor([2, 1]), item_of_token(3, 2, user_token=False, device=CPU))
    assert targets.tolist() == [[6, 7, 8], [6, 0, 0]]
    assert wanted.tolist() == [[False, True, True], [True, False, False]]
    assert seen.sum(dim=1).tolist() == [2, 4, 6]
    assert all(bool(seen[place, :width].all()) for place, width in enumerate((2, 4, 6)))
