"""Collectives: sums, broadcasts and gathers over two processes, and no-ops in one."""

import json
import socket
import subprocess
import sys

import pytest
import torch

from tigerlite import distributed


@pytest.fixture
def no_launcher(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


def test_one_process_is_rank_zero_of_one(no_launcher):
    assert (distributed.rank(), distributed.world_size(), distributed.is_rank_zero()) == (0, 1, True)


def test_launcher_environment_answers_before_the_process_group_exists(no_launcher, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert distributed.rank() == 1
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert (distributed.rank(), distributed.world_size(), distributed.is_rank_zero()) == (3, 4, False)


def test_collectives_return_the_argument_in_one_process(no_launcher):
    tensor = torch.arange(3)
    assert distributed.all_reduce_sum(tensor) is tensor
    assert distributed.broadcast(tensor) is tensor
    assert distributed.all_gather_cat(tensor) is tensor


def test_two_processes_sum_broadcast_and_gather_unequal_rows():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The file runs itself: pytest's import mode gives the module a name that a spawned process cannot import.
    command = [sys.executable, __file__, str(port)]
    processes = [subprocess.Popen([*command, str(rank)], stdout=subprocess.PIPE) for rank in range(2)]
    answers = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    gathered = [[1.0, 1.0], [2.0, 2.0], [2.0, 2.0]]
    assert answers == [[rank, 2, [3.0, 30.0], [1], gathered] for rank in range(2)]


def _collect(port: int, rank: int) -> list:
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    answers = [
        distributed.rank(),
        distributed.world_size(),
        distributed.all_reduce_sum(torch.tensor([1.0, 10.0]) * (rank + 1)).tolist(),
        distributed.broadcast(torch.tensor([rank]), source=1).tolist(),
        distributed.all_gather_cat(torch.full((rank + 1, 2), float(rank + 1))).tolist(),
    ]
    torch.distributed.destroy_process_group()
    return answers


if __name__ == "__main__":
    print(json.dumps(_collect(int(sys.argv[1]), int(sys.argv[2]))))
