"""Float32 products with all their digits, whatever torch has been told about TF32, bf16 or autocast.

Distances are divided by a temperature of about 1e-3, and so is the rounding of what they are computed from: with
`torch.set_float32_matmul_precision("medium")` codes of items near a boundary are others. Gradients are computed after the
block, in whatever precision is set: a share of their digits is enough.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# From 2.9 on torch has a switch per backend, which the older one for all of them sets too; reading that one raises where the
# switches differ.
_SWITCHES = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul) if torch.__version__ >= (2, 9) else ()


@contextmanager
def whole_float32(device_type: str) -> Iterator[None]:
    """Compute matrix products of float32 tensors in float32 inside the block.

    Args:
        device_type: cpu, cuda: where autocast is switched off.
    """
    told = _precisions()
    _set_precisions(("ieee",) * len(_SWITCHES) or ("highest",))
    try:
        with torch.autocast(device_type, enabled=False):
            yield
    finally:
        _set_precisions(told)


def _precisions() -> tuple[str, ...]:
    if not _SWITCHES:
        return (torch.get_float32_matmul_precision(),)
    return tuple(switch.fp32_precision for switch in _SWITCHES)


def _set_precisions(precisions: tuple[str, ...]) -> None:
    if not _SWITCHES:
        torch.set_float32_matmul_precision(precisions[0])
    for switch, precision in zip(_SWITCHES, precisions, strict=False):
        switch.fp32_precision = precision
