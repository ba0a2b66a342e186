"""Copying in one loss, in beams and in exact decoding gives items the same probability; what it adds is the bonus."""

import json
import math
from dataclasses import replace

import pytest
import torch

from tests.callbacks import test_group_sampling as mixing
from tigerlite.config import ConfigError, InputError, from_dict, to_dict
from tigerlite.losses.objectives import Weighted
from tigerlite.recommenders.copying import Copying, visits_before, visits_of
from tigerlite.recommenders.start_weights import start_from
from tigerlite.recommenders.tiger import TIGER
from tigerlite.recommenders.trie import Trie
from tigerlite.stages.free_decoding import FreeBeam
from tigerlite.stages.recommend_config import RecommendConfig

HISTORIES = torch.tensor([[1, 2, 3, 0], [7, 7, 8, 1]])
TARGETS = torch.tensor([2, 5])
HEADS = ["level", "trie", "vocabulary"]


def model(head: str = "level", attention: str = "bidirectional", **changes) -> TIGER:
    torch.manual_seed(0)
    settings = replace(mixing.config(attention=attention).tiger, copy=True, head=head, scoring=head, **changes)
    found = TIGER(to_dict(settings), mixing.bank(1)).eval()
    torch.nn.init.normal_(found.copying.of_age, std=0.2)
    torch.nn.init.normal_(found.copying.of_count, std=0.2)
    torch.nn.init.normal_(found.copying.of_state, std=0.2)
    return found


def test_the_bonus_of_a_code_is_that_of_the_latest_visit_that_spells_it():
    copying = Copying(2, 3, 4)
    with torch.no_grad():
        copying.of_age.copy_(torch.tensor([0.0, 0, 0, 0, 0.1, 0.2, 0.3, 0.4]))
    codes, ages = torch.tensor([[5, 1, 5, 0]]), torch.tensor([[3, 2, 1, 0]])
    follows = torch.tensor([[True, True, True, False]])
    bonus = copying(1, torch.randn(1, 3), codes, ages, follows, 6)
    torch.testing.assert_close(bonus, torch.tensor([[0.0, 3.0, 0.0, 0.0, 0.0, 2.0]]))


def test_the_number_of_visits_counts_by_its_logarithm():
    copying = Copying(1, 3, 4)
    with torch.no_grad():
        copying.of_count.fill_(0.2)
    codes, ages = torch.tensor([[5, 1, 5, 5]]), torch.tensor([[3, 2, 1, 0]])
    follows = torch.tensor([[True, True, True, False]])
    bonus = copying(0, torch.randn(1, 3), codes, ages, follows, 6)
    torch.testing.assert_close(bonus, torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 2 * math.log(2)]]))


def test_the_state_raises_all_visits_alike():
    copying = Copying(1, 4, 3)
    with torch.no_grad():
        copying.of_state.copy_(torch.tensor([0.1, 0.0, -0.3, 0.0]))
    states = torch.tensor([[1.0, 9.0, 2.0, 9.0]])
    bonus = copying(0, states, torch.tensor([[2, 0]]), torch.tensor([[1, 0]]), torch.tensor([[True, True]]), 3)
    torch.testing.assert_close(bonus, torch.tensor([[-2.5, 0.0, -2.5]]))  # (.1 - .6) / sqrt(4) * 10


def test_visits_of_prefixes_are_those_of_each_prefix_alone():
    sequences = torch.tensor([[1, 2, 3, 4, 0], [5, 6, 7, 8, 9]])
    wanted = torch.tensor([[True, True, False], [False, True, True]])  # places 2 to 4
    together = visits_before(sequences, wanted)
    for row, history in enumerate(([1, 2], [1, 2, 3], [5, 6, 7], [5, 6, 7, 8])):
        alone = visits_of(torch.tensor([history]))
        assert together.items[row].tolist() == history + [0] * (4 - len(history))
        assert together.ages[row, : len(history)].tolist() == alone.ages[0].tolist()


def test_nodes_lead_to_the_items_below_them():
    trie = Trie(torch.tensor([[0, 0], [0, 0], [1, 2], [0, 1]]))
    inner, items = torch.tensor([[1, 2]]), torch.tensor([[1, 2, 3, 0]])
    assert trie.leads_to(inner, 1, items).tolist() == [[[True, False, True, False], [False, True, False, False]]]
    assert trie.leads_to(torch.tensor([[0]]), 0, items).tolist() == [[[True, True, True, False]]]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_loss_beam_and_exact_decoding_agree(head, attention):
    copying = model(head, attention)
    losses = copying.token_losses(HISTORIES, TARGETS).sum(dim=1)
    copying.n_beams = 12
    beams = copying.recommend(HISTORIES, 12)
    copying.decoding = "exact"
    exact = copying.recommend(HISTORIES, 12)
    assert torch.equal(beams.items, exact.items)
    torch.testing.assert_close(beams.scores, exact.scores)
    torch.testing.assert_close(beams.scores[beams.items == TARGETS[:, None]], -losses)
    without = replace(copying.config, copy=False)
    plain = TIGER(to_dict(without), mixing.bank(1)).eval()
    plain.t5.load_state_dict(copying.t5.state_dict())
    assert not torch.allclose(plain.token_losses(HISTORIES, TARGETS).sum(dim=1), losses, atol=1e-3)


@pytest.mark.parametrize("head", HEADS)
def test_all_prefixes_at_once_cost_what_each_costs_alone(head):
    copying = model(head, "causal")
    sequences = torch.tensor([[1, 2, 3, 2, 0], [7, 7, 8, 1, 5]])
    together = copying.prefix_losses(sequences, torch.tensor([1, 2]))
    cases = [([1], 2), ([1, 2], 3), ([1, 2, 3], 2), ([7, 7], 8), ([7, 7, 8], 1), ([7, 7, 8, 1], 5)]
    for row, (history, target) in enumerate(cases):
        alone = copying.token_losses(torch.tensor([history]), torch.tensor([target]))
        torch.testing.assert_close(together[row : row + 1], alone)


def test_untrained_it_is_the_model_without():
    torch.manual_seed(0)
    settings = mixing.config().tiger
    plain = TIGER(to_dict(settings), mixing.bank(1)).eval()
    copying = TIGER(to_dict(replace(settings, copy=True)), mixing.bank(1)).eval()
    copying.t5.load_state_dict(plain.t5.state_dict())
    assert torch.equal(copying.token_losses(HISTORIES, TARGETS), plain.token_losses(HISTORIES, TARGETS))


def test_it_learns_to_repeat():
    """Users who return to the item before last: the bonus of age 1 grows beyond that of the others."""
    copying = model()
    copying.train()
    optimizer = torch.optim.AdamW(copying.copying.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(1)
    for _ in range(60):
        histories = torch.stack([torch.randperm(12, generator=generator)[:4] + 1 for _ in range(16)])
        loss = copying.token_losses(histories, histories[:, -2]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ages = copying.copying.of_age.view(2, -1)[:, :4]
    assert ages.argmax(dim=1).tolist() == [1, 1]
    copying.eval()
    assert copying.recommend(torch.tensor([[4, 9, 2]]), 1).items.tolist() == [[9]]


def test_a_model_that_starts_from_another_copies_as_it_does():
    base, same, plain = model(), model(), mixing.config().tiger
    for weights in same.copying.parameters():
        torch.nn.init.zeros_(weights)
    start_from(base, same, other_digits=False)
    assert same.fingerprint == base.fingerprint
    other = TIGER(to_dict(plain), mixing.bank(1))
    start_from(base, other, other_digits=False)
    assert other.copying is None
    start_from(other, same, other_digits=False)  # what it had learnt of copying stays where there is nothing to take
    assert torch.equal(same.copying.of_age, base.copying.of_age)


def test_saved_and_loaded_it_ranks_the_same(tmp_path):
    copying = model()
    copying.save(tmp_path)
    assert json.loads((tmp_path / "model.json").read_text())["config"]["copy"] is True
    loaded = TIGER.load(tmp_path)
    assert loaded.fingerprint == copying.fingerprint
    first, again = copying.recommend(HISTORIES, 5), loaded.recommend(HISTORIES, 5)
    assert torch.equal(first.items, again.items)
    assert torch.equal(first.scores, again.scores)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": {"method": "rank"}}, "objective.method=rank subtracts or scales the decoder's states"),
        ({"objective": {"method": "cft"}}, "objective.method=cft subtracts or scales the decoder's states"),
        (
            {"objective": {"method": "multi_target", "multi_target": {"mixing": "logit_scaling"}}},
            "objective.multi_target.mixing=logit_scaling subtracts or scales the decoder's states",
        ),
        ({"method": "unigrec"}, "tiger.copy=true is for method=tiger"),
    ],
)
def test_what_a_bonus_on_logits_does_not_fit_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(RecommendConfig, {"tiger": {"copy": True}} | changes)


def test_a_beam_without_the_trie_is_refused():
    with pytest.raises(InputError, match="looks visited items up in the trie, which evaluate.free_beam has not"):
        FreeBeam(model(), "level", 5)


def test_weighted_tokens_copy_too():
    """Losses of codes stay one per code, so weights multiply what copying changed."""
    copying = model().train()
    plain = copying.token_losses(HISTORIES, TARGETS)
    weights = torch.ones(13, 2) * torch.tensor([2.0, 0.5])
    copying.set_objective(Weighted(weights))
    torch.testing.assert_close(copying.token_losses(HISTORIES, TARGETS), plain * weights[0])
