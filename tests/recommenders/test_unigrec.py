"""UniGRec against TIGER at its limit, its gradients, its terms, and its identifiers while they move."""

from dataclasses import asdict, replace

import pytest
import torch
from torch.nn.functional import cross_entropy, pad

from tigerlite.config import ConfigError
from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.data.sequences import Batch
from tigerlite.optim import build_optimizer
from tigerlite.recommenders import unigrec
from tigerlite.recommenders.soft_identifiers import SoftIdentifiers, code_table
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger_config import TIGERConfig
from tigerlite.recommenders.unigrec import UniGRec, gradient_norm
from tigerlite.recommenders.unigrec_config import UniGRecConfig
from tigerlite.recommenders.unigrec_terms import UniGRecTerms
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.collisions import rank_digit
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE
from tigerlite.tokenizers.soft_rqvae_config import SoftRQVAEConfig
from tigerlite.tokenizers.vocabulary import SemanticVocab
from tigerlite.tokenizers.whitening import Standardisation

N_ITEMS, SIZES, DIGITS = 30, (6, 5, 4), 30
NETWORK = TIGERConfig(
    t5=T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=16, n_heads=2, d_kv=8, d_ff=32, dropout=0.0)
)
CAUSAL = replace(NETWORK, encoder_attention="causal")
SETTINGS = UniGRecConfig(digits=DIGITS, distillation_start=0, uniformity_weight=1e-3)
HISTORIES = torch.tensor([[3, 4, 5, 3], [12, 1, 0, 0], [7, 0, 0, 0]])
TARGETS = torch.tensor([6, 2, 8])
BATCH = Batch(HISTORIES, TARGETS, torch.arange(3))


def identifiers(tau: float, **settings: str) -> SoftIdentifiers:
    torch.manual_seed(0)
    embeddings, teacher = torch.randn(N_ITEMS, 9), torch.randn(N_ITEMS, 5)
    network = {"hidden_sizes": (12,), "latent": 4, "codebook_sizes": SIZES}
    tokenizer = SoftRQVAE(SoftRQVAEConfig(**network, schedule="constant", tau_min=tau, **settings), 9)
    tokenizer.initialise(tokenizer.normalise(embeddings))
    return SoftIdentifiers(tokenizer, embeddings, teacher)


def bank_of(soft: SoftIdentifiers) -> TokenizerBank:
    resolved = rank_digit(soft.tokenizer.encode(soft.embeddings).numpy(), SIZES)
    codes = pad(torch.from_numpy(resolved.codes), (0, 0, 1, 0))
    return TokenizerBank(codes[None], SemanticVocab(resolved.codebook_sizes))


def model(tau=0.05, settings=SETTINGS, network=NETWORK) -> UniGRec:
    soft = identifiers(tau)
    bank = code_table(bank_of(soft), soft.tokenizer, settings.digits)
    torch.manual_seed(1)
    teacher = pad(soft.teacher, (0, 0, 1, 0))
    return UniGRec(asdict(network), asdict(settings), bank, soft.tokenizer, inputs=soft.inputs(), teacher=teacher)


def hard_losses(made: UniGRec, histories, targets) -> torch.Tensor:
    """TIGER's loss where a history item is the tokens of its codes without the digit."""
    tokens = made.item_tokens[histories][..., : len(SIZES)].flatten(1)
    tokens = pad(tokens, (1, 0), value=made.vocab.user)
    encoded = made.t5.encode(tokens, tokens != 0, made._visible(histories.shape[1]))
    labels = made.item_tokens[targets]
    hidden = made.t5.decode(pad(labels[:, :-1], (1, 0)), encoded, tokens != 0)
    levels = zip(made.vocab.offsets, made.vocab.codebook_sizes, strict=True)
    return torch.stack(
        [
            cross_entropy(
                made.t5.code_logits(hidden[:, level], start, size), made.codes[targets, level], reduction="none"
            )
            for level, (start, size) in enumerate(levels)
        ],
        dim=1,
    )


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("network", [NETWORK, CAUSAL])
def test_with_hard_codes_the_loss_is_tigers_on_the_same_three_tokens_per_item(training, network):
    made = model(tau=1e-7, network=network).train(training)
    assert (
        min(float(shares.detach().max(dim=1).values.min()) for shares in made._soften(HISTORIES).quantized.shares)
        == 1.0
    )
    found = made.training_losses(BATCH) if training else made.token_losses(HISTORIES, TARGETS)
    torch.testing.assert_close(found, hard_losses(made, HISTORIES, TARGETS))


@pytest.mark.parametrize("training", [True, False])
def test_codes_can_be_read_in_the_place_of_mixtures(training):
    made = model(tau=0.05, settings=replace(SETTINGS, reads="codes", train_tokenizer=False)).train(training)
    found = made.training_losses(BATCH) if training else made.token_losses(HISTORIES, TARGETS)
    torch.testing.assert_close(found, hard_losses(made, HISTORIES, TARGETS))
    with pytest.raises(
        ConfigError, match=r"reads=codes lets no gradient into the tokenizer; set .*train_tokenizer=false"
    ):
        replace(SETTINGS, reads="codes")


def test_all_prefixes_at_once_cost_what_each_costs_alone():
    made = model(network=CAUSAL).train()
    batch = PrefixBatch(torch.tensor([[3, 4, 5, 6], [7, 8, 0, 0]]), torch.tensor([2, 1]), torch.tensor(3.0))
    alone = Batch(torch.tensor([[3, 4, 0], [3, 4, 5], [7, 0, 0]]), torch.tensor([5, 6, 8]), torch.arange(3))
    torch.testing.assert_close(made.training_losses(batch), made.training_losses(alone))
    together, apart = made.other_losses, made.training_parts()
    assert set(together) == {"reconstruction", "uniformity", "tokenizer_distillation", "recommender_distillation"}
    assert apart == {}


def test_terms_that_look_at_targets_are_the_same_for_both_kinds_of_batches():
    made = model(network=CAUSAL).train()
    made.training_losses(PrefixBatch(torch.tensor([[3, 4, 5]]), torch.tensor([1]), torch.tensor(2.0)))
    together = dict(made.other_losses)
    made.training_losses(Batch(torch.tensor([[3, 0], [3, 4]]), torch.tensor([4, 5]), torch.arange(2)))
    for name in ("tokenizer_distillation", "recommender_distillation"):
        torch.testing.assert_close(made.other_losses[name], together[name])


def test_the_tokenizer_gets_gradients_from_the_recommendation_alone():
    made = model(tau=0.05).train()
    loss = made.training_losses(BATCH).mean()
    assert float(made.gradient_norms(loss)["tokenizer_gradient"]) > 1e-6
    loss.backward()
    encoder = [weight.grad.abs().sum() for weight in made.tokenizer.encoder.parameters()]
    books = [vectors.grad.abs().sum() for vectors in made.tokenizer.quantizer.codebooks]
    assert all(value > 0 for value in encoder + books)
    assert all(weight.grad is None for weight in made.tokenizer.decoder.parameters())


def test_soft_targets_bring_the_tokenizer_gradients_from_the_target_too():
    norms = []
    for on in (False, True):
        made = model(settings=replace(SETTINGS, soft_targets=on)).train()
        # After an empty history whatever reaches the tokenizer comes from the target.
        loss = made.training_losses(Batch(torch.tensor([[0]]), torch.tensor([6]), torch.tensor([0]))).sum()
        norms.append(float(gradient_norm(loss, list(made.tokenizer.encoder.parameters()))))
    assert norms[0] == 0.0
    assert norms[1] > 1e-3


def test_soft_targets_that_are_one_hot_are_the_codes():
    made = model(tau=1e-7, settings=replace(SETTINGS, soft_targets=True)).train()
    torch.testing.assert_close(made.training_losses(BATCH), hard_losses(made, HISTORIES, TARGETS))


def step(made: UniGRec) -> torch.optim.AdamW:
    """Take an optimizer step on all losses."""
    optimizer = build_optimizer(made, made.config.optimizer, separate=made.separate_parameters(10))
    (made.training_losses(BATCH).mean() + sum(made.other_losses.values())).backward()
    optimizer.step()
    return optimizer


def test_a_step_before_the_distillation_is_none_for_the_adapters():
    made = model(settings=replace(SETTINGS, distillation_start=1)).train()
    optimizer = build_optimizer(made, made.config.optimizer, separate=made.separate_parameters(10))
    made.log = made.log_dict = lambda *given, **named: None
    made.training_step(BATCH, 1).backward()
    adapters = list(made.terms.adapters.parameters())
    assert all(weight.grad is not None for weight in adapters)  # as every process needs it
    made.on_before_optimizer_step(optimizer)
    optimizer.step()
    assert not any(weight in optimizer.state for weight in adapters)
    assert all(weight in optimizer.state for weight in made.t5.parameters())


def test_a_step_moves_the_adapters_and_neither_they_nor_the_tokenizer_share_the_clipping_of_the_t5():
    made = model().train()
    before = {name: weight.detach().clone() for name, weight in made.named_parameters()}
    optimizer = step(made)
    assert set(made.terms.adapters) == {"history", "teacher", "state"}
    moved = {name for name, weight in made.named_parameters() if not torch.equal(weight, before[name])}
    assert {name for name in before if name.startswith(("terms.adapters", "tokenizer"))} <= moved
    clipped = {id(w) for group in optimizer.param_groups if group.get("clipped", True) for w in group["params"]}
    assert clipped == {id(w) for w in made.t5.parameters()}
    tokenizer, adapters = made.separate_parameters(10)
    assert {id(w) for w in tokenizer.parameters} == {id(w) for w in made.tokenizer.parameters()}
    assert {id(w) for w in adapters.parameters} == {id(w) for w in made.terms.adapters.parameters()}
    assert (tokenizer.lr, adapters.lr) == (SETTINGS.tokenizer_lr, NETWORK.optimizer.lr)


def test_what_adapters_give_the_tokenizer_is_as_long_as_what_items_give_it():
    ours, theirs = model().train(), model().train()
    with torch.no_grad():
        for name in ("history", "teacher"):
            for weight in theirs.terms.adapters[name].parameters():
                weight.mul_(100.0)
    for made in (ours, theirs):
        made.training_losses(BATCH)
    name = "tokenizer_distillation"
    torch.testing.assert_close(theirs.other_losses[name], ours.other_losses[name])


def test_the_smaller_the_temperature_of_the_distillation_the_more_of_the_t5_s_gradient_is_its():
    ratios = []
    for tau in (0.001, 0.01, 0.1):
        made = model(tau=0.001, settings=replace(SETTINGS, tokenizer_distillation_tau=tau)).train()
        recommendation = made.training_losses(BATCH).mean()
        norms = made.gradient_norms(recommendation)
        ratios.append(float(norms["gradient_ratio/tokenizer_distillation"]))
        weighted = made.terms.weights["recommender_distillation"] * made.other_losses["recommender_distillation"]
        t5 = list(made.t5.parameters())
        expected = gradient_norm(weighted, t5) / gradient_norm(recommendation, t5)
        assert float(norms["gradient_ratio/recommender_distillation"]) == pytest.approx(float(expected))
    assert ratios[0] > 3 * ratios[1] > 9 * ratios[2]


def test_a_gradient_s_norm_is_that_of_the_mean_over_processes(monkeypatch):
    weight = torch.ones(2, requires_grad=True)
    unused = torch.ones(1, requires_grad=True)
    monkeypatch.setattr(unigrec, "all_reduce_sum", lambda tensor: tensor + torch.tensor([0.0, 8.0, 0.0]))
    monkeypatch.setattr(unigrec, "world_size", lambda: 2)
    # (6, 0) here and (0, 8) there: the mean is (3, 4), the mean of the norms 7.
    assert float(unigrec.gradient_norm(6 * weight[0], [weight, unused])) == pytest.approx(5.0)


def test_a_fitted_map_of_the_teacher_comes_near_the_items_inputs_and_stays():
    made = model(settings=replace(SETTINGS, tokenizer_distillation_map="fitted"))
    soft = identifiers(0.05)
    wanted, found = soft.inputs()[1:], made.terms.adapters["teacher"](soft.teacher).detach()
    solution = torch.linalg.lstsq(torch.cat([soft.teacher, torch.ones(N_ITEMS, 1)], dim=1), wanted).solution
    least = wanted - torch.cat([soft.teacher, torch.ones(N_ITEMS, 1)], dim=1) @ solution
    assert float((wanted - found).square().sum()) == pytest.approx(float(least.square().sum()), rel=1e-3)
    before = {name: made.terms.adapters[name].weight.clone() for name in ("teacher", "history")}
    step(made.train())
    assert torch.equal(made.terms.adapters["teacher"].weight, before["teacher"])
    assert not torch.equal(made.terms.adapters["history"].weight, before["history"])


@pytest.mark.parametrize("normalise", ["unit", "standardise", "none"])
def test_the_teacher_s_vectors_reach_the_tokenizer_as_the_inputs_that_they_were_fitted_to(normalise, monkeypatch):
    soft, seen = identifiers(0.05, normalise=normalise), []
    if soft.tokenizer.standardisation is not None:
        soft.tokenizer.standardisation = Standardisation.fit(3 * soft.embeddings + 1)
    inputs = soft.inputs()
    settings = replace(SETTINGS, tokenizer_distillation_map="fitted")
    terms = UniGRecTerms(settings, inputs, inputs, d_model=16, n_dimensions=9, latent=4)
    quantize = soft.tokenizer.quantize
    monkeypatch.setattr(soft.tokenizer, "quantize", lambda rows: seen.append(rows) or quantize(rows))
    terms._tokenizer_side(soft.tokenizer, torch.randn(3, 16), TARGETS)
    torch.testing.assert_close(seen[1], inputs[TARGETS], atol=5e-3, rtol=5e-3)


def test_released_distillation_is_that_of_its_code_through_adapters_that_never_train():
    made = model(settings=replace(SETTINGS, distillation="released")).train()
    (made.training_losses(BATCH).mean() + sum(made.other_losses.values())).backward()
    assert not any(weight.requires_grad for weight in made.terms.adapters.parameters())
    assert len(made.separate_parameters(10)) == 1
    widths = [
        tuple(layer.weight.shape) for layer in made.terms.adapters["teacher"] if isinstance(layer, torch.nn.Linear)
    ]
    assert widths == [(16, 5), (8, 16), (4, 8)]
    assert all(float(weight.abs().max()) < 0.2 for weight in made.terms.adapters.parameters())
    assert made.terms.idle(0, made.tokenizer) == []

    def logs(latent: torch.Tensor) -> list[torch.Tensor]:
        found = []
        for vectors in made.tokenizer.quantizer.codebooks:
            distances = (latent - vectors).square().sum(dim=1)
            found.append(torch.log_softmax(distances, dim=0))
            latent = latent - vectors[distances.argmin()]
        return found

    encoded, mask = made._read(made._vectors(made._soften(HISTORIES).quantized.shares), made._soften(HISTORIES).places)
    total = 0.0
    for row, target in enumerate(TARGETS):
        student = logs(made.terms.adapters["history"](encoded[row, mask[row]].mean(dim=0)))
        teacher = logs(made.terms.adapters["teacher"](made.terms.teacher[target]))
        for s, t in zip(student, teacher, strict=True):
            total = total + ((t.exp() * (t - s)).sum() + (s.exp() * (s - t)).sum()) / len(SIZES) / len(TARGETS)
    torch.testing.assert_close(made.other_losses["tokenizer_distillation"], total, rtol=1e-3, atol=1e-7)


def test_a_frozen_tokenizer_gets_no_gradient_and_stays_out_of_the_optimizer():
    made = model(settings=replace(SETTINGS, train_tokenizer=False)).train()
    (made.training_losses(BATCH).mean() + sum(made.other_losses.values())).backward()
    assert all(weight.grad is None for weight in made.tokenizer.parameters())
    (adapters,) = made.separate_parameters(10)
    assert {id(w) for w in adapters.parameters} == {id(w) for w in made.terms.adapters.parameters()}
    assert set(made.other_losses) == {"tokenizer_distillation", "recommender_distillation"}


def test_padding_changes_no_loss():
    made = model().train()
    found, terms = made.training_losses(BATCH), made.other_losses
    wider = made.training_losses(BATCH._replace(histories=pad(HISTORIES, (0, 5))))
    torch.testing.assert_close(wider, found)
    for name, term in made.other_losses.items():
        torch.testing.assert_close(term, terms[name])


def test_uniformity_is_a_sum_over_levels_of_every_position():
    made = model().train()
    made.training_losses(BATCH)
    items = torch.cat([HISTORIES.flatten(), TARGETS])
    shares = made.tokenizer.quantize(made.inputs[items[items > 0]]).shares
    uses = [level.mean(dim=0) for level in shares]
    expected = sum((use * (use * len(use)).log()).sum() for use in uses)
    torch.testing.assert_close(made.other_losses["uniformity"], expected)


def test_reconstruction_counts_every_position_once():
    made = model().train()
    made.training_losses(BATCH)
    items = torch.cat([HISTORIES.flatten(), TARGETS])
    inputs = made.inputs[items[items > 0]]
    expected = (made.tokenizer(inputs)[0] - inputs).square().mean()
    torch.testing.assert_close(made.other_losses["reconstruction"], expected)


def test_the_terms_of_the_tokenizer_are_float32_under_autocast():
    made = model(settings=replace(SETTINGS, tokenizer_distillation_weight=0.0, recommender_distillation_weight=0.0))
    soft = made._soften(pad(HISTORIES, (0, 1)))
    given = {"pooled": torch.zeros(3, 16), "states": torch.zeros(3, 16), "targets": TARGETS}
    plain = made.terms(0, made.tokenizer, soft, **given)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = made.terms(0, made.tokenizer, soft, **given)
    assert plain.keys() == mixed.keys() == {"reconstruction", "uniformity"}
    assert all(torch.equal(plain[name], mixed[name]) for name in plain)


def test_terms_begin_in_their_epochs_and_their_weights_are_idle_before():
    made = model(settings=replace(SETTINGS, distillation_start=3, reconstruction_start=2, uniformity_start=1))
    assert made.terms.active(0) == []
    assert made.terms.active(1) == ["uniformity"]
    assert made.terms.active(3) == list(made.terms.weights)
    idle = made.terms.idle(0, made.tokenizer)
    assert len(idle) == len(list(made.tokenizer.decoder.parameters())) + len(list(made.terms.adapters.parameters()))
    assert made.terms.idle(3, made.tokenizer) == []


def test_after_a_rebuild_losses_are_those_of_a_model_built_with_the_new_identifiers():
    made = model(settings=replace(SETTINGS, hysteresis=1.0)).eval()
    before = made.token_losses(HISTORIES, TARGETS)
    assert made.rebuild() == (0.0, 0.0, 0.0, 0.0)
    assert torch.equal(made.token_losses(HISTORIES, TARGETS), before)
    with torch.no_grad():
        made.tokenizer.quantizer.codebooks[0].copy_(made.tokenizer.quantizer.codebooks[0].flip(0).clone())
    made.rebuild()
    anew = UniGRec(asdict(NETWORK), asdict(SETTINGS), made.bank, made.tokenizer, inputs=made.inputs).eval()
    anew.t5.load_state_dict(made.t5.state_dict())
    assert torch.equal(made.item_tokens, anew.item_tokens)
    assert torch.equal(made.token_losses(HISTORIES, TARGETS), anew.token_losses(HISTORIES, TARGETS))
    assert not torch.allclose(made.token_losses(HISTORIES, TARGETS), before)


def test_a_rebuild_follows_the_tokenizer_and_the_checkpoint_has_its_table():
    made = model(settings=replace(SETTINGS, hysteresis=1.0))
    assert made.rebuild() == (0.0, 0.0, 0.0, 0.0)
    with torch.no_grad():
        made.tokenizer.quantizer.codebooks[0].copy_(made.tokenizer.quantizer.codebooks[0].flip(0).clone())
    changed = made.rebuild()
    assert changed[0] > 0.5
    expected = made.tokenizer.quantize(made.inputs[1:]).codes
    assert made.bank.primary[1:, :-1].tolist() == expected.tolist()
    other = model()
    other.load_state_dict(made.state_dict())
    assert torch.equal(other.bank.primary, made.bank.primary)
    assert torch.equal(other.trie.leaf_of_item, made.trie.leaf_of_item)
    assert torch.equal(other.item_tokens, made.item_tokens)
