"""TIGER under an objective: only in training mode, on both kinds of batches, with parameters of their own."""

import dataclasses

import pytest
import torch

from tigerlite.config import InputError, to_dict
from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.data.sequences import Batch
from tigerlite.losses.mixing import MultiTarget, MultiTargetConfig
from tigerlite.losses.objectives import Weighted
from tigerlite.losses.token_weights.cft import CFT
from tigerlite.losses.token_weights.rank import Rank
from tigerlite.optim import build_optimizer
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

N_ITEMS = 12
HISTORIES = torch.tensor([[1, 2, 3], [4, 5, 0], [6, 0, 0]])
TARGETS = torch.tensor([4, 6, 7])
BATCH = Batch(HISTORIES, TARGETS, torch.arange(3))
PREFIXES = PrefixBatch(torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]]), torch.ones(2, dtype=torch.int64), torch.tensor(4.0))
TINY = TIGERConfig(
    t5=T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=16, n_heads=2, d_kv=8, d_ff=16, dropout=0.0)
)
HEADS = [{}, {"head": "vocabulary", "eos": True}, {"head": "trie", "scoring": "trie"}]
TABLE = torch.rand(N_ITEMS + 1, 2, generator=torch.Generator().manual_seed(0)) + 0.5


def model(objective: torch.nn.Module | None = None, **changes) -> TIGER:
    items = torch.arange(N_ITEMS)
    codes = torch.stack([items // 3, items % 3], dim=1)
    bank = TokenizerBank(torch.cat([torch.zeros(1, 2, dtype=torch.int64), codes])[None], SemanticVocab((4, 3)))
    torch.manual_seed(0)
    tiger = TIGER(to_dict(dataclasses.replace(TINY, **changes)), bank)
    if objective is not None:
        tiger.set_objective(objective)
    return tiger.train()


def mixture(config: MultiTargetConfig | None = None) -> MultiTarget:
    return MultiTarget(config or MultiTargetConfig(), {"front_greater": torch.tensor([[1.5, 0.5]]), "frequency": TABLE})


def gradients(tiger: TIGER, batch: Batch | PrefixBatch) -> list[torch.Tensor]:
    return list(torch.autograd.grad(tiger.training_losses(batch).mean(), list(tiger.t5.parameters())))


@pytest.mark.parametrize(("batch", "attention"), [(BATCH, "bidirectional"), (PREFIXES, "causal")])
def test_uniform_weights_train_like_plain_cross_entropy_bit_for_bit(batch, attention):
    plain = model(encoder_attention=attention)
    for table in (torch.ones(1, 2), torch.ones(N_ITEMS + 1, 2)):
        weighted = model(Weighted(table), encoder_attention=attention)
        assert torch.equal(weighted.training_losses(batch), plain.training_losses(batch))
        pairs = zip(gradients(weighted, batch), gradients(plain, batch), strict=True)
        assert all(torch.equal(found, expected) for found, expected in pairs)


@pytest.mark.parametrize(("batch", "attention"), [(BATCH, "bidirectional"), (PREFIXES, "causal")])
def test_losses_are_weighted_by_the_target_item(batch, attention):
    targets = TARGETS if isinstance(batch, Batch) else torch.tensor([2, 3, 4, 6])
    plain, weighted = model(encoder_attention=attention), model(Weighted(TABLE), encoder_attention=attention)
    expected = plain.training_losses(batch) * TABLE[targets]
    torch.testing.assert_close(weighted.training_losses(batch), expected)


def test_validation_is_plain_cross_entropy():
    plain, weighted = model().eval(), model(Weighted(TABLE)).eval()
    assert torch.equal(weighted.validation_losses(BATCH), plain.validation_losses(BATCH))


@pytest.mark.parametrize("changes", HEADS)
def test_rank_is_the_loss_of_a_head_whose_logits_are_divided(changes):
    plain, ranked = model(**changes), model(Rank(0.5), **changes)
    with torch.no_grad():  # twice the norm's scale before the head is twice the logits
        plain.t5.decoder_norm.weight.mul_(2)
    torch.testing.assert_close(ranked.training_losses(BATCH), plain.training_losses(BATCH))


@pytest.mark.parametrize("changes", HEADS)
def test_the_counterfactual_reads_no_history(changes):
    n_tokens = 3 if changes.get("eos") else 2
    tiger = model(CFT(torch.ones(1, n_tokens), 0.5), **changes)
    plain = model(**changes)
    nothing = Batch(torch.zeros(3, 1, dtype=torch.int64), TARGETS, torch.arange(3))
    # Given nothing, a history adds nothing: all logits of the second term are 0.
    sizes = [tiger.vocab.size] * 3 if changes.get("eos") else [4, 3]
    expected = plain.training_losses(nothing) + 0.5 * torch.tensor(sizes).float().log()[:n_tokens]
    if changes.get("head") != "trie":  # whose classes are the legal codes, here the same
        torch.testing.assert_close(tiger.training_losses(nothing), expected)
    together = tiger.training_losses(BATCH)
    swapped = tiger.training_losses(Batch(HISTORIES[[1, 0, 2]], TARGETS[[1, 0, 2]], torch.arange(3)))
    torch.testing.assert_close(swapped, together[[1, 0, 2]])


def test_prefix_batches_have_a_counterfactual_too():
    tiger = model(CFT(torch.ones(1, 2), 0.5), encoder_attention="causal")
    batch = Batch(torch.tensor([[1, 2, 3]]), torch.tensor([4]), torch.zeros(1))
    alone = tiger.token_losses(batch.histories, batch.targets)
    torch.testing.assert_close(tiger.training_losses(PREFIXES)[2:3], alone, atol=1e-5, rtol=1e-5)


def test_mixing_parameters_are_trained_apart_and_not_served(tmp_path):
    tiger = model(mixture())
    optimizer = build_optimizer(tiger, tiger.config.optimizer, separate=tiger.separate_parameters(10))
    *network, apart = optimizer.param_groups
    assert apart["params"] == [tiger.objective.mixing.state]
    assert (apart["lr"], apart["weight_decay"], apart["clipped"]) == (5e-4, 0.0, False)
    trained = {id(weight) for group in network for weight in group["params"]}
    assert trained == {id(weight) for weight in tiger.t5.parameters()}
    assert "objective.mixing.state" in tiger.state_dict()
    tiger.save(tmp_path)
    assert TIGER.load(tmp_path).objective is None


def test_mixing_travels_as_far_in_a_short_training_as_in_a_long_one():
    tiger = model(mixture(MultiTargetConfig(unit="fraction", travel=3.0)))
    rates = {n_steps: tiger.separate_parameters(n_steps)[0].lr for n_steps in (30, 3000)}
    assert rates == pytest.approx({30: 0.1, 3000: 0.001})


def test_clipping_leaves_parameters_of_their_own_out_of_the_norm():
    tiger = model(mixture())
    optimizer = build_optimizer(tiger, tiger.config.optimizer, separate=tiger.separate_parameters(10))
    for weight in tiger.parameters():
        weight.grad = torch.ones_like(weight)
    tiger.configure_gradient_clipping(optimizer, 1.0)
    norm = torch.cat([weight.grad.flatten() for weight in tiger.t5.parameters()]).norm()
    assert float(norm) == pytest.approx(1, rel=1e-4)
    assert tiger.objective.mixing.state.grad.tolist() == [1.0, 1.0, 1.0]


def test_loss_weights_reach_the_mixture():
    tiger = model(mixture())
    tiger.set_loss_weights({"front_greater": 0.0, "frequency": 1.0, "original": 0.0})
    torch.testing.assert_close(tiger.training_losses(BATCH), model().training_losses(BATCH) * TABLE[TARGETS])
    assert float(tiger.training_parts()["alpha/frequency"]) == 1


@pytest.mark.parametrize("objective", [None, Weighted(TABLE)])
def test_loss_weights_without_a_mixture_are_refused(objective):
    with pytest.raises(InputError, match="a curriculum moves the weights of objective.method=multi_target"):
        model(objective).set_loss_weights({"original": 1.0})


def test_ddp_broadcasts_no_table():
    tiger = model(mixture())
    assert {name for name, _ in tiger.named_buffers()} == set(tiger._ddp_params_and_buffers_to_ignore)
