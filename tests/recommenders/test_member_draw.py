"""Draws of members: the frequencies asked for, the same numbers however a batch is split, padding that stays padding."""

import pytest
import torch

from tigerlite.config import InputError, to_dict
from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.data.sequences import Batch
from tigerlite.optim import OptimizerConfig
from tigerlite.recommenders.member_draw import MemberDraw, Place, hashed_uniform
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

N_ITEMS, N_MEMBERS = 12, 3
TINY = TIGERConfig(
    t5=T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=16, n_heads=2, d_kv=8, d_ff=32, dropout=0.0),
    optimizer=OptimizerConfig(lr=5e-3, warmup_epochs=0),
)
HISTORIES, TARGETS = torch.tensor([[1, 2, 3], [4, 0, 0], [9, 12, 0]]), torch.tensor([4, 5, 1])
BATCH = Batch(HISTORIES, TARGETS, torch.arange(3))
PREFIXES = PrefixBatch(torch.tensor([[1, 2, 3, 4], [7, 8, 0, 0]]), torch.tensor([1, 1]), torch.tensor(4.0))


def bank(n_members: int = N_MEMBERS) -> TokenizerBank:
    """Twelve items on a grid of 4 x 3 codes, the items shifted by one in every further member."""
    items = torch.arange(N_ITEMS)
    codes = torch.stack([items // 3, items % 3], dim=1)
    members = torch.stack([codes.roll(member, dims=0) for member in range(n_members)])
    return TokenizerBank(
        torch.cat([torch.zeros(n_members, 1, 2, dtype=torch.int64), members], 1), SemanticVocab((4, 3))
    )


def model(tokenizers: TokenizerBank, **changes) -> TIGER:
    torch.manual_seed(0)
    return TIGER({**to_dict(TINY), **changes}, tokenizers).eval()


def test_members_come_with_their_probabilities():
    draw = MemberDraw(4, N_ITEMS)
    draw.set_probabilities(torch.tensor([0.5, 0.0, 0.2, 0.3]))
    shares = torch.bincount(draw.members(40_000), minlength=4) / 40_000
    # Standard errors are at most .0025.
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.0, 0.2, 0.3]), atol=0.01, rtol=0)


def test_uniform_numbers_are_uniform_and_unrelated_between_keys_and_neighbours():
    first, second = (hashed_uniform(torch.arange(20_000), (0, epoch, 3)) for epoch in (0, 1))
    for numbers in (first, second):
        assert numbers.min() >= 0
        assert numbers.max() < 1
        histogram = torch.histc(numbers, 10, 0, 1) / 20_000
        torch.testing.assert_close(histogram, torch.full((10,), 0.1), atol=0.01, rtol=0)
    for left, right in ((first, second), (first[1:], first[:-1])):
        assert abs(float(torch.corrcoef(torch.stack([left, right]))[0, 1])) < 0.03


def test_parts_of_a_batch_draw_what_the_whole_draws():
    draw = MemberDraw(5, N_ITEMS)
    draw.place = Place(seed=1, epoch=2, step=3)
    whole = draw.members(12)
    for part in range(3):
        draw.place = Place(seed=1, epoch=2, step=3, part=part, n_parts=3)
        assert torch.equal(draw.members(4), whole[part::3])


@pytest.mark.parametrize(("unit", "n_alike"), [("batch", 1), ("epoch", 40)])
def test_a_batch_or_an_epoch_can_share_a_draw(unit, n_alike):
    draw = MemberDraw(5, N_ITEMS)
    draw.unit = unit
    found = []
    for step in range(40):
        draw.place = Place(step=step, part=step % 2, n_parts=2)
        members = draw.members(7)
        assert len(members.unique()) == 1
        found.append(int(members[0]))
    assert (len(set(found)) == 1) == (n_alike == 40)


def test_a_sample_has_one_member_in_history_and_target():
    tiger = model(bank())
    alone = [
        torch.cat([model(bank().select([m])).token_losses(HISTORIES[i : i + 1], TARGETS[i : i + 1]) for i in range(3)])
        for m in range(N_MEMBERS)
    ]
    for step in range(5):
        tiger.set_draw("sample", seed=0, epoch=0, step=step, part=0, n_parts=1)
        members = tiger.draw.members(3)
        expected = torch.stack([alone[member][row] for row, member in enumerate(members.tolist())])
        torch.testing.assert_close(tiger.training_losses(BATCH), expected, atol=1e-5, rtol=0)


def test_a_sequence_has_one_member_where_all_its_prefixes_are_trained():
    tiger = model(bank(), encoder_attention="causal")
    alone = [model(bank().select([m]), encoder_attention="causal").training_losses(PREFIXES) for m in range(N_MEMBERS)]
    for step in range(5):
        tiger.set_draw("sample", seed=0, epoch=0, step=step, part=0, n_parts=1)
        first, second = tiger.draw.members(2).tolist()
        # The first sequence has three targets, the second one.
        expected = torch.cat([alone[first][:3], alone[second][3:]])
        torch.testing.assert_close(tiger.training_losses(PREFIXES), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
@pytest.mark.parametrize("batch", [BATCH, PREFIXES], ids=["samples", "prefixes"])
def test_losses_of_a_member_are_those_of_a_model_that_knows_it_alone(attention, batch):
    if isinstance(batch, PrefixBatch) and attention == "bidirectional":
        pytest.skip("all prefixes in one pass need the causal encoder")
    tiger = model(bank(), encoder_attention=attention)
    for member in range(N_MEMBERS):
        expected = model(bank().select([member]), encoder_attention=attention).training_losses(batch)
        torch.testing.assert_close(tiger.member_losses(batch, member), expected, atol=1e-5, rtol=0)


def test_one_member_leaves_a_batch_as_it_is():
    single = MemberDraw(1, N_ITEMS)
    assert single.assign(BATCH) is BATCH
    assert single.assign(PREFIXES) is PREFIXES


def test_serving_and_validation_use_the_primary_member():
    several, one = model(bank()), model(bank(1))
    several.set_group_probabilities(torch.tensor([0.0, 0.5, 0.5]))
    assert torch.equal(several.validation_losses(BATCH), one.validation_losses(BATCH))
    assert several.recommend(HISTORIES, 4).items.tolist() == one.recommend(HISTORIES, 4).items.tolist()


def test_a_saved_model_keeps_all_members(tmp_path):
    tiger = model(bank())
    tiger.save(tmp_path)
    loaded = TIGER.load(tmp_path)
    assert loaded.draw.n_members == N_MEMBERS
    assert loaded.fingerprint == tiger.fingerprint
    assert torch.equal(loaded.item_tokens, tiger.item_tokens)


@pytest.mark.parametrize("wrong", [[0.5, 0.5], [0.5, 0.6, -0.1], [0.2, 0.2, 0.2]])
def test_probabilities_that_are_none_are_refused(wrong):
    with pytest.raises(InputError, match="no distribution over 3 members"):
        MemberDraw(3, N_ITEMS).set_probabilities(torch.tensor(wrong))


def test_a_softmax_over_legal_paths_takes_one_member_only():
    with pytest.raises(InputError, match=r"head=trie trains one identifier per item, not 3; set head=level"):
        model(bank(), head="trie", scoring="trie")
