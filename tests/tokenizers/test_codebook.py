"""One codebook level: assignment, moving average and revival, in one process and in two."""

import json
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch

from tigerlite.tokenizers import codebook as codebook_module
from tigerlite.tokenizers.codebook import Codebook


def latents_and_codebook(kind="ema", n_codes=12, width=5, n_latents=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    codebook = Codebook(n_codes, width, kind=kind)
    codebook.set_vectors(torch.randn(n_codes, width, generator=generator))
    return torch.randn(n_latents, width, generator=generator), codebook


def test_nearest_equals_the_loop_over_items():
    from tests.reference.residual_quantization import quantize

    latents, codebook = latents_and_codebook()
    expected = quantize(latents.numpy(), [codebook.vectors.numpy().astype(np.float64)])[:, 0]
    np.testing.assert_array_equal(codebook.nearest(latents).numpy(), expected)


def test_chunking_changes_no_assignment(monkeypatch):
    latents, codebook = latents_and_codebook()
    expected = codebook.nearest(latents)
    monkeypatch.setattr(codebook_module, "_MAX_DISTANCES", 7 * codebook.n_codes)
    assert torch.equal(codebook.nearest(latents), expected)


def test_ties_go_to_the_lowest_code():
    codebook = Codebook(4, 2, kind="ema")
    codebook.set_vectors(torch.tensor([[5.0, 5.0], [1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]))
    assert codebook.nearest(torch.tensor([[1.0, 0.0], [0.0, 3.0]])).tolist() == [1, 1]


def test_assignment_ignores_autocast():
    codebook = Codebook(2, 1, kind="ema")
    codebook.set_vectors(torch.tensor([[1.0], [1.001]]))  # equal in bf16
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert codebook.nearest(torch.tensor([[1.0], [1.001]])).tolist() == [0, 1]


def test_moving_average_equals_the_formula_over_several_batches():
    from tests.reference.residual_quantization import ema_update

    latents, codebook = latents_and_codebook()
    state = [array.double().numpy().copy() for array in (codebook.vectors, codebook.counts, codebook.sums)]
    for batch in latents.split(16):
        codes = codebook.nearest(batch)
        codebook.update(batch, codes)
        state = ema_update(*state, batch.numpy(), codes.numpy())
    for found, expected in zip((codebook.vectors, codebook.counts, codebook.sums), state, strict=True):
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_code_without_latents_keeps_its_vector():
    # N_k and m_k decay together, so e_k = m_k / w_k only moves by the smoothing: eps / N_k, about 1e-5.
    latents, codebook = latents_and_codebook()
    before = codebook.vectors.clone()
    codebook.counts.fill_(1.0)
    codes = torch.zeros(len(latents), dtype=torch.int64)
    codebook.update(latents, codes)
    assert not torch.allclose(codebook.vectors[0], before[0], rtol=1e-2)
    drift = (codebook.vectors[1:] / before[1:] - 1).abs()
    assert drift.max() < 2e-5


def test_steps_without_use_are_counted_for_both_kinds():
    for kind in ("ema", "gradient"):
        latents, codebook = latents_and_codebook(kind, n_codes=3)
        for codes in ([0, 0], [0, 1], [0, 0]):
            codebook.update(latents[:2], torch.tensor(codes))
        assert codebook.unused_steps.tolist() == [0, 1, 3]


@pytest.mark.parametrize("kind", ["ema", "gradient"])
def test_revival_moves_only_codes_unused_for_long_enough_onto_distinct_latents(kind):
    latents, codebook = latents_and_codebook(kind)
    before = codebook.vectors.detach().clone()
    codebook.unused_steps.copy_(torch.tensor([3, 2, 5, 0, 1, 9, 0, 0, 0, 0, 0, 0]))
    codebook.revive(latents, after=3, generator=torch.Generator().manual_seed(0))
    vectors = codebook.vectors.detach()
    dead, alive = [0, 2, 5], [1, 3, 4, 6, 7, 8, 9, 10, 11]
    assert torch.equal(vectors[alive], before[alive])
    sources = [int((latents == vectors[code]).all(dim=1).nonzero()) for code in dead]
    assert len(set(sources)) == 3
    assert codebook.unused_steps.tolist() == [0, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]


def test_a_revived_code_counts_like_a_fresh_one():
    latents, codebook = latents_and_codebook()
    codebook.counts.fill_(40.0)
    codebook.unused_steps[4] = 3
    codebook.revive(latents, after=3, generator=torch.Generator().manual_seed(0))
    assert codebook.counts[4] == 1
    assert torch.equal(codebook.sums[4], codebook.vectors[4])
    assert (codebook.counts[torch.arange(12) != 4] == 40).all()


def test_revival_is_a_function_of_the_generator():
    revived = []
    for seed in (1, 1, 2):
        latents, codebook = latents_and_codebook()
        codebook.unused_steps.fill_(9)
        codebook.revive(latents, after=1, generator=torch.Generator().manual_seed(seed))
        revived.append(codebook.vectors.clone())
    assert torch.equal(revived[0], revived[1])
    assert not torch.equal(revived[0], revived[2])


def test_revival_copes_with_fewer_latents_than_codes():
    latents, codebook = latents_and_codebook()
    codebook.unused_steps.fill_(9)
    codebook.revive(latents[:5], after=1, generator=torch.Generator())
    assert {tuple(row) for row in codebook.vectors.tolist()} == {tuple(row) for row in latents[:5].tolist()}


def _train_step(latents: torch.Tensor, codebook: Codebook, seed: int) -> dict[str, list]:
    """One moving-average step, and a revival from this process's latents."""
    codebook.update(latents, codebook.nearest(latents))
    updated = codebook.vectors.tolist()
    codebook.unused_steps[::2] = 5
    codebook.revive(latents, after=5, generator=torch.Generator().manual_seed(seed))
    return {"updated": updated, "revived": codebook.vectors.tolist()}


def test_two_processes_update_like_one_and_revive_alike():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, __file__, str(port)]
    processes = [subprocess.Popen([*command, str(rank)], stdout=subprocess.PIPE) for rank in range(2)]
    answers = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    latents, codebook = latents_and_codebook()
    alone = _train_step(latents, codebook, seed=0)
    assert answers[0] == answers[1]
    np.testing.assert_allclose(answers[0]["updated"], alone["updated"], rtol=1e-5, atol=1e-6)
    # Process 0 holds the first half of the latents: revived codes come from there.
    revived = torch.tensor(answers[0]["revived"])[::2]
    assert all((latents[:32] == vector).all(dim=1).any() for vector in revived)


if __name__ == "__main__":
    address, this_rank = f"tcp://127.0.0.1:{sys.argv[1]}", int(sys.argv[2])
    torch.distributed.init_process_group("gloo", init_method=address, rank=this_rank, world_size=2)
    all_latents, shared = latents_and_codebook()
    print(json.dumps(_train_step(all_latents.chunk(2)[this_rank], shared, seed=this_rank)))
    torch.distributed.destroy_process_group()
