"""What is masked, what is predicted and what a sequence weighs, on batches small enough to follow."""

import pytest
import torch

from tests.reference import next_item as slow
from tigerlite.config import InputError
from tigerlite.data.prefix_batches import PrefixBatch
from tigerlite.losses.self_supervised import attribute_prediction, contrast
from tigerlite.recommenders.baselines.masking import cloze_mask, hashed_uniform, last_place, segments
from tigerlite.recommenders.nextitem import NextItem
from tigerlite.recommenders.nextitem_objectives import Draw, cloze_targets

N_ITEMS = 12
MASK = N_ITEMS + 1
COUNTS = torch.arange(N_ITEMS + 1)
FEATURES = torch.tensor([[0, 0], *([2 + item % 3, 5 * (item % 2)] for item in range(N_ITEMS - 1)), [1, 0]])
BATCH = PrefixBatch(
    torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 0, 0], [5, 3, 5, 8, 12]]), torch.tensor([1, 1, 3]), torch.tensor(8.0)
)
SMALL = {"d_model": 8, "d_ff": 16, "n_layers": 1, "dropout": 0.0}


def model(network: str, **changes) -> NextItem:
    torch.manual_seed(0)
    settings = {"network": network, network: SMALL, "max_history": 4, **changes}
    built = NextItem(settings, COUNTS, features=FEATURES)
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return built.eval()


def test_masked_items_share_the_weight_of_their_sequence():
    built = model("bert4rec")
    found = cloze_targets(built.network, BATCH, built.config.section, MASK, Draw(0, 0))
    mask = cloze_mask(BATCH.sequences, share=0.2, last_share=0.09, seed=0, epoch=0)
    rows = mask.nonzero()[:, 0]
    assert found.items.tolist() == BATCH.sequences[mask].tolist()
    assert [float(found.weights[rows == row].sum()) for row in range(3)] == [4, 2, 2]


def test_a_masked_item_is_predicted_by_the_catalogue_softmax_at_its_mask():
    built = model("bert4rec")
    mask = cloze_mask(BATCH.sequences, share=0.2, last_share=0.09, seed=0, epoch=0)
    states = built.network(torch.where(mask, MASK, BATCH.sequences))
    table = built.item_embeddings.tolist()
    weights = cloze_targets(built.network, BATCH, built.config.section, MASK, Draw(0, 0)).weights
    expected = [
        slow.cross_entropy(states[row, place].tolist(), int(BATCH.sequences[row, place]), table)
        for row, place in mask.nonzero().tolist()
    ]
    torch.testing.assert_close(built.training_losses(BATCH), torch.tensor(expected) * weights, atol=1e-4, rtol=1e-4)


def test_shares_of_a_masked_batch_add_up_to_the_whole(monkeypatch):
    built = model("bert4rec")
    monkeypatch.setattr(built, "log", lambda *given, **named: None)
    whole = built.training_step(BATCH, 0)
    parts = [PrefixBatch(BATCH.sequences[rows], BATCH.first[rows], torch.tensor(4.0)) for rows in ([0], [1, 2])]
    torch.testing.assert_close(torch.stack([built.training_step(part, 0) for part in parts]).mean(), whole)


def test_the_next_item_is_asked_for_by_a_mask_after_the_history():
    built = model("bert4rec")
    states = built.history_states(torch.tensor([[3, 1, 0], [0, 0, 0]]))
    torch.testing.assert_close(states[0], built.network(torch.tensor([[3, 1, MASK]]))[0, 2])
    assert (states[1] == 0).all()
    longest = built.history_states(torch.tensor([[7, 3, 1, 4, 1]]))
    torch.testing.assert_close(longest[0], built.network(torch.tensor([[3, 1, 4, 1, MASK]]))[0, 4])


def test_self_supervision_is_the_four_objectives_one_after_the_other(monkeypatch):
    built = model("s3rec", objective="self_supervised")
    negatives = torch.arange(1, 13)
    monkeypatch.setattr(
        "tigerlite.recommenders.nextitem_objectives.uniform_negatives", lambda t, k, n: negatives[: len(t), None]
    )
    sequences, network, heads = BATCH.sequences, built.network, built.objectives
    read, table, there = network.cloze_states, built.item_embeddings, sequences > 0
    mask = ((hashed_uniform(sequences, 0, 0) < 0.2) | last_place(sequences)) & there
    states = read(sequences.masked_fill(mask, MASK))

    def attributes(chosen: torch.Tensor, name: str) -> torch.Tensor:
        described = FEATURES[sequences[chosen]] - 2
        return attribute_prediction(heads.maps[name](states[chosen]), described, heads.attributes.weight)

    items = contrast(heads.maps["mip"](states[mask]), table[sequences[mask]], table[negatives[: int(mask.sum())]])
    segment, last = segments(sequences, seed=0, epoch=0), [4, 2, 4]
    rows = torch.arange(3)
    others = torch.tensor([[5, 3, 5, 8, 12], [3, 1, 4, 0, 0], [9, 2, 6, 9, 2]])  # the row before, again where shorter
    context = read(sequences.masked_fill(segment, MASK))[rows, last]
    taken = read(sequences.masked_fill(there & ~segment, MASK))[rows, last]
    other = read(torch.where(segment, others, MASK * there))[rows, last]
    runs = contrast(heads.maps["sp"](context), taken, other)
    expected = torch.cat([0.2 * attributes(there & ~mask, "aap"), attributes(mask, "map"), items, 0.5 * runs])
    torch.testing.assert_close(built.training_losses(BATCH), expected, atol=1e-5, rtol=1e-4)


def test_a_batch_of_one_sequence_has_no_other_segment_and_no_loss_of_it():
    built = model("s3rec", objective="self_supervised")
    alone = PrefixBatch(BATCH.sequences[:1], BATCH.first[:1], torch.tensor(4.0))
    losses = built.training_losses(alone)
    assert losses[-1] == 0
    assert (losses[:-1] > 0).all()
    losses.sum().backward()
    assert not [name for name, parameter in built.named_parameters() if parameter.grad is None]
    assert not built.objectives.maps["sp"].weight.grad.any()


def test_every_weight_of_self_supervision_gets_a_gradient():
    built = model("s3rec", objective="self_supervised")
    built.training_losses(BATCH).sum().backward()
    assert not [name for name, parameter in built.named_parameters() if parameter.grad is None]


def test_fine_tuning_starts_from_the_network_of_pretraining_and_refuses_another():
    base = model("s3rec", objective="self_supervised")
    fresh = model("s3rec", seed=1, s3rec={**SMALL, "dropout": 0.1})  # dropout is no weight
    fresh.start_from(base)
    for name, value in base.network.state_dict().items():
        assert torch.equal(fresh.network.state_dict()[name], value)
    assert fresh.objectives is None
    with pytest.raises(
        InputError, match="s3rec cannot start from this s3rec: give pretrain.nextitem and finetune.nextitem"
    ):
        model("s3rec", max_history=3).start_from(base)
    with pytest.raises(InputError, match="bert4rec cannot start from this s3rec"):
        model("bert4rec").start_from(base)


def test_a_pretrained_model_answers_by_a_mask_also_after_loading(tmp_path):
    built = model("s3rec", objective="self_supervised")
    built.save(tmp_path)
    loaded = NextItem.load(tmp_path)
    histories = torch.tensor([[3, 1, 4], [9, 0, 0]])
    assert loaded.fingerprint == built.fingerprint != model("s3rec").fingerprint
    torch.testing.assert_close(loaded.recommend(histories, 5), built.recommend(histories, 5))
    expected = built.objectives.maps["mip"](built.network.cloze_states(torch.tensor([[3, 1, 4, MASK]]))[0, 3])
    torch.testing.assert_close(loaded.history_states(histories)[0], expected)
