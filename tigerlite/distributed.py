"""Several processes, seen from inside one: who am I, sum, broadcast, gather. In one process each is a no-op.

The process group wins where it is initialised; before that (a stage that runs before the first Trainer) the
launcher's environment answers (`RANK` of torchrun and `fabric run`, `SLURM_PROCID` of srun, `LOCAL_RANK` of
Lightning's ddp), else there is one process. Every collective must be entered by all processes with tensors of the
same dtype.
"""

import os

import torch
from torch import Tensor, distributed


def is_initialised() -> bool:
    """Whether collectives do anything."""
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """This process's number, from 0."""
    if is_initialised():
        return distributed.get_rank()
    return int(os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or os.environ.get("LOCAL_RANK") or 0)


def world_size() -> int:
    """How many processes there are."""
    if is_initialised():
        return distributed.get_world_size()
    return int(os.environ.get("WORLD_SIZE") or 1)


def is_rank_zero() -> bool:
    """Whether this process writes files and logs."""
    return rank() == 0


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """The sum over processes, on the tensor's device; the argument is left as it is.

    >>> all_reduce_sum(torch.tensor([1, 2]))
    tensor([1, 2])
    """
    if not is_initialised():
        return tensor
    total = _movable(tensor).clone()
    distributed.all_reduce(total)
    return total.to(tensor.device)


def broadcast(tensor: Tensor, source: int = 0) -> Tensor:
    """The tensor that process `source` holds; every process passes one of the same shape.

    >>> broadcast(torch.tensor([1, 2]))
    tensor([1, 2])
    """
    if not is_initialised():
        return tensor
    copy = _movable(tensor).clone()
    distributed.broadcast(copy, src=source)
    return copy.to(tensor.device)


def all_gather_cat(tensor: Tensor) -> Tensor:
    """All processes' rows in rank order; the number of rows (first dimension) may differ between processes.

    >>> all_gather_cat(torch.tensor([1, 2]))
    tensor([1, 2])
    """
    if not is_initialised():
        return tensor
    local = _movable(tensor)
    n_rows = torch.zeros(world_size(), dtype=torch.int64, device=local.device)
    n_rows[rank()] = local.shape[0]
    distributed.all_reduce(n_rows)
    counts = n_rows.tolist()
    # Collectives want equal shapes: pad to the longest, cut afterwards.
    padded = local.new_zeros(max(counts), *local.shape[1:])
    padded[: local.shape[0]] = local
    parts = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)]).to(tensor.device)


def own_places(n_rows: int, device: torch.device) -> Tensor:
    """Places (n_rows,) of this process's rows in what `all_gather_cat` makes of them; every process calls it.

    >>> own_places(2, torch.device("cpu"))
    tensor([0, 1])
    """
    places = torch.arange(n_rows, device=device)
    if not is_initialised():
        return places
    counts = torch.zeros(world_size(), dtype=torch.int64, device=device)
    counts[rank()] = n_rows
    return places + all_reduce_sum(counts)[: rank()].sum()


def _movable(tensor: Tensor) -> Tensor:
    """The tensor where the backend can send it from: nccl moves device memory only."""
    if distributed.get_backend() == "nccl" and tensor.device.type == "cpu":
        return tensor.to(torch.device("cuda", torch.cuda.current_device()))
    return tensor.contiguous()
