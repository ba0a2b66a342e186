"""Memory that is freed stays with the process, which spares training on a CPU the making of new pages.

glibc asks the system for every tensor above a threshold and gives it back when it is freed; the system then zeroes the pages of
the next one again. A training step frees and asks for the same sizes over and over. The price is memory: what the largest step
needed may stay with the process, and the thresholds hold for all that runs in it.
"""

import ctypes

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # <malloc.h>
KEPT = {M_MMAP_THRESHOLD: 2**30, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 2**26}
SYSTEM = {M_MMAP_THRESHOLD: 2**25, M_TRIM_THRESHOLD: 2**26, M_TOP_PAD: 2**17}
"""Bytes where glibc's own thresholds, which grow, come to rest: for comparison."""


def keep_freed_memory(thresholds: dict[int, int] = KEPT) -> bool:
    """Set the thresholds of this process; False where the C library is not glibc or refuses.

    >>> keep_freed_memory() in (True, False)
    True
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    accepted = [mallopt(name, value) == 1 for name, value in thresholds.items()]
    return all(accepted)
