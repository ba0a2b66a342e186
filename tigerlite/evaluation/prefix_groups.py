"""Items by the first codes of their identifiers: the groups that every figure about prefixes counts in."""

import numpy as np


def prefix_groups(codes: np.ndarray) -> list[np.ndarray]:
    """The group (N,) of each item by its first l codes, for l = 0 (all items in one group) to L.

    Groups are numbered 0, 1, ... in the order of their codes, at every length anew, so numbers stay below N.

    Args:
        codes: (N, L) integers >= 0.

    >>> [groups.tolist() for groups in prefix_groups(np.array([[3, 1], [3, 2], [5, 1]]))]
    [[0, 0, 0], [0, 0, 1], [0, 1, 2]]
    """
    groups = [np.zeros(len(codes), dtype=np.int64)]
    for level in range(codes.shape[1]):
        size = int(codes[:, level].max()) + 1
        groups.append(np.unique(groups[-1] * size + codes[:, level], return_inverse=True)[1].ravel())
    return groups
