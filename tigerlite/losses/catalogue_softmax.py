"""Cross-entropy over a whole catalogue whose logits are never all in memory.

M targets and N items have M x N logits: 256 x 1,000,000 in float32 are 1 GB, and at 20,000 items moving them in and out of
memory costs more than the products. Here the items go through in blocks that fit the cache: the forward pass keeps one
log-sum-exp per target, the backward pass makes each block's logits again (arXiv 2411.09009 does the same in one GPU
kernel). One more product, but less memory and, on a CPU, less time (`python pipelines/speed.py nextitem`).
"""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

BLOCK = 1024
"""Items at a time; 256 x 1,024 logits are 1 MB."""


def catalogue_cross_entropy(states: Tensor, targets: Tensor, items: Tensor) -> Tensor:
    """-log softmax of the targets over all N items, (M,) float32.

    Products follow autocast, everything else is float32.

    Args:
        states: (M, D).
        targets: (M,) item ids 1..N.
        items: (N + 1, D), row 0 = padding, never a class.

    >>> losses = catalogue_cross_entropy(torch.zeros(2, 3), torch.tensor([1, 4]), torch.ones(5, 3))
    >>> torch.allclose(losses, torch.tensor(4.0).log())
    True
    """
    kind = states.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
    with torch.autocast(kind, enabled=False):
        return _CatalogueCrossEntropy.apply(states.float(), items.float(), targets, dtype)


class _CatalogueCrossEntropy(torch.autograd.Function):
    """Loss and its gradient, block by block."""

    @staticmethod
    def forward(ctx: FunctionCtx, states: Tensor, items: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
        total = states.new_full((len(states),), -torch.inf)
        rounded = states.to(dtype)
        for block in items[1:].split(BLOCK):
            total = torch.logaddexp(total, (rounded @ block.to(dtype).T).float().logsumexp(dim=1))
        ctx.save_for_backward(states, items, targets, total)
        ctx.dtype = dtype
        # Rounded like the logits in the sum, so that no loss is below zero.
        positive = (rounded.float() * items[targets].to(dtype).float()).sum(dim=1)
        return total - positive

    @staticmethod
    def backward(ctx: FunctionCtx, slope: Tensor) -> tuple[Tensor, Tensor, None, None]:
        states, items, targets, total = ctx.saved_tensors
        rounded = states.to(ctx.dtype)
        to_states, to_items = torch.zeros_like(states), torch.zeros_like(items)
        for start in range(1, len(items), BLOCK):
            part = slice(start, start + BLOCK)
            block = items[part].to(ctx.dtype)
            logits = (rounded @ block.T).float()
            shares = logits.sub_(total[:, None]).exp_().mul_(slope[:, None]).to(ctx.dtype)  # slope * softmax
            to_states += (shares @ block).float()
            to_items[part] = (shares.T @ rounded).float()
        to_states -= slope[:, None] * items[targets]
        to_items.index_add_(0, targets, -slope[:, None] * states)
        return to_states, to_items, None, None
