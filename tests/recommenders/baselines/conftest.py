"""Three users small enough to count by hand."""

import numpy as np
import pytest

from tigerlite.data.dataset import RecDataset


@pytest.fixture
def dataset() -> RecDataset:
    """Three users; the last two items of each are held out."""
    sequences = [[1, 2, 3, 4, 5], [1, 2, 2, 5, 4], [3, 1, 6, 2, 4]]
    offsets = np.cumsum([0] + [len(sequence) for sequence in sequences])
    return RecDataset(
        items=np.concatenate(sequences).astype(np.int32),
        offsets=offsets.astype(np.int64),
        train_ends=offsets[1:] - 2,
        validation=np.array([[user, offsets[user + 1] - 2] for user in range(3)]),
        test=np.array([[user, offsets[user + 1] - 1] for user in range(3)]),
        user_ids=list("abc"),
        item_ids=[f"i{item}" for item in range(1, 7)],
        titles=[f"Item {item}" for item in range(1, 7)],
    )
