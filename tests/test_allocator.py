"""Memory that is freed is used again, without the system's zeroing its pages anew."""

import subprocess
import sys

import pytest

from tigerlite.allocator import keep_freed_memory

FAULTS = """
import resource, sys
import torch
from tigerlite.allocator import SYSTEM, keep_freed_memory

def faults():
    for _ in range(3):
        torch.ones(2**24).sum()  # settles what the process holds: 64 MB each
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(2**24).sum()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_freed_memory(SYSTEM)
given_back = faults()
keep_freed_memory()
print(given_back, faults())
"""


def test_tensors_of_the_same_size_cost_no_new_pages():
    if not keep_freed_memory():
        pytest.skip("the C library is not glibc")
    printed = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True).stdout
    given_back, kept = map(int, printed.split())
    assert given_back > 20 * 2**24 * 4 / 2**21  # a fault per 4 KiB page, or at the least per huge page of 2 MiB
    assert kept < given_back / 3  # chunks are aligned, so some do not fit where another was
