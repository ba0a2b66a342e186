"""Next-item recommenders learn a planted pattern; answers do not depend on batching, padding or where they were saved."""

import itertools
import warnings

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer

from tests.reference import next_item as slow
from tests.reference.prefix_chunks import prefix_targets
from tigerlite.callbacks.epoch_seed import EpochSeed
from tigerlite.config import InputError
from tigerlite.data.datamodule import SequenceDataModule
from tigerlite.data.dataset import RecDataset
from tigerlite.data.prefix_batches import PrefixBatch, gather_prefix_batch, plan_chunks
from tigerlite.data.sequences import Batch, item_counts
from tigerlite.recommenders.baselines import NETWORKS
from tigerlite.recommenders.item_index import ItemIndex
from tigerlite.recommenders.nextitem import NextItem

N_ITEMS = 12
COUNTS = torch.tensor([0, 5, 0, 2, 9, 1, 30, 2, 2, 0, 4, 4, 1])
TINY = {
    "sasrec": {"d_model": 16, "d_ff": 32, "n_layers": 1, "dropout": 0.0},
    "gru4rec": {"d_model": 16, "hidden": 24, "dropout": 0.0},
    **{
        name: {"d_model": 16, "d_ff": 32, "n_layers": 1, "dropout": 0.0}
        for name in ("bert4rec", "fdsa", "fmlp", "s3rec")
    },
    **{name: {"d_model": 16, "window": 3, "dropout": 0.0} for name in ("caser", "hgn")},
    "hstu": {"d_model": 16, "n_layers": 1, "dropout": 0.0},
    "optimizer": {"lr": 1e-2, "warmup_epochs": 0.0},
    "n_negatives": 4,
    "max_history": 4,
    "batch_size": 32,
    "epochs": 12,
}
FEATURES = torch.cat([torch.zeros(1, 1, dtype=torch.int64), 2 + torch.arange(N_ITEMS)[:, None] % 5])
HISTORIES = torch.tensor([[1, 2, 3, 4], [5, 0, 0, 0], [6, 7, 0, 0]])


def model(**changes) -> NextItem:
    torch.manual_seed(0)
    recommender = NextItem({**TINY, **changes}, COUNTS, features=FEATURES)
    for parameter in recommender.network.parameters():  # away from the start, where all scores are near zero
        torch.nn.init.normal_(parameter, std=0.5)
    with torch.no_grad():
        recommender.item_embeddings[0] = 0
    return recommender.eval()


@pytest.fixture(params=NETWORKS)
def recommender(request) -> NextItem:
    return model(network=request.param)


def dataset_of(sequences: list[list[int]], held_out: int) -> RecDataset:
    offsets = np.cumsum([0] + [len(items) for items in sequences]).astype(np.int64)
    places = [np.stack([np.arange(len(sequences)), offsets[1:] - back], axis=1) for back in (2, 1)]
    names = [str(item) for item in range(1, N_ITEMS + 1)]
    return RecDataset(
        items=np.concatenate(sequences).astype(np.int32),
        offsets=offsets,
        train_ends=offsets[1:] - held_out,
        validation=places[0],
        test=places[1],
        user_ids=[str(user) for user in range(len(sequences))],
        item_ids=names,
        titles=names,
    )


def walks() -> RecDataset:
    """Sixty users who go around the catalogue in order, from every start, 7 to 11 items long."""
    return dataset_of([[(user + step) % N_ITEMS + 1 for step in range(7 + user % 5)] for user in range(60)], 2)


def trained(dataset: RecDataset, **changes) -> NextItem:
    torch.manual_seed(0)
    recommender = NextItem({**TINY, **changes}, item_counts(dataset), features=FEATURES)
    config = recommender.config
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=config.epochs,
        callbacks=[EpochSeed(config.seed)],
        gradient_clip_val=config.optimizer.clip,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        use_distributed_sampler=False,
    )
    data = SequenceDataModule(dataset, batch_size=config.batch_size, max_history=config.max_history, all_prefixes=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(recommender, data)
    return recommender.eval()


@pytest.mark.parametrize(
    ("network", "loss"),
    [
        *itertools.product(["sasrec", "gru4rec"], ["ce", "sampled_ce", "bce", "gbce"]),
        *((network, "bce") for network in NETWORKS if network not in ("sasrec", "gru4rec", "bert4rec")),
    ],
)
def test_a_planted_successor_is_learned(network, loss):
    # FDSA learns slowest; at 1e-2 the ReLU that Caser ends with may die, which leaves every score alike.
    epochs, lr = {"fdsa": (30, 1e-2), "caser": (60, 3e-3)}.get(network, (12, 1e-2))
    optimizer = {**TINY["optimizer"], "lr": lr}
    recommender = trained(walks(), network=network, loss=loss, epochs=epochs, optimizer=optimizer)
    histories = (torch.arange(N_ITEMS)[:, None] + torch.arange(3)) % N_ITEMS + 1
    items = recommender.recommend(histories, k=1).items[:, 0]
    assert items.tolist() == (histories[:, -1] % N_ITEMS + 1).tolist()


def test_the_same_seed_trains_the_same_model_and_another_seed_another():
    first, again = (trained(walks(), loss="bce", epochs=2).fingerprint for _ in range(2))
    assert first == again
    assert trained(walks(), loss="bce", epochs=2, seed=1).fingerprint != first


@pytest.mark.parametrize("max_history", [3, 4])
def test_every_target_is_trained_once_with_the_items_before_it_in_its_chunk(max_history):
    recommender = model(max_history=max_history)
    generator = np.random.default_rng(0)
    dataset = dataset_of([generator.integers(1, N_ITEMS + 1, length).tolist() for length in range(1, 15)], 0)
    parts = [part.tolist() for part in np.split(dataset.items, dataset.offsets[1:-1])]
    chunks = plan_chunks(dataset, max_history)
    batch = gather_prefix_batch(torch.from_numpy(dataset.items), torch.from_numpy(chunks), len(chunks))
    losses = recommender.training_losses(batch)
    table = recommender.item_embeddings.tolist()
    expected = [
        slow.cross_entropy(slow.sasrec_states(recommender.network, context)[-1].tolist(), target, table)
        for _, context, target in prefix_targets(parts, max_history)
    ]
    torch.testing.assert_close(losses, torch.tensor(expected), atol=1e-3, rtol=1e-4)


def test_shares_of_a_batch_average_to_the_mean_over_all_its_targets(monkeypatch):
    recommender = model()
    monkeypatch.setattr(recommender, "log", lambda *given, **named: None)
    sequences = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 0, 0, 0], [6, 5, 3, 5, 0]])
    first = torch.ones(3, dtype=torch.int64)
    shares = [slice(0, 1), slice(1, 3)]
    losses = [
        recommender.training_step(PrefixBatch(sequences[share], first[share], torch.tensor(8 / 2)), 0)
        for share in shares
    ]
    whole = recommender.training_losses(PrefixBatch(sequences, first, torch.tensor(8.0)))
    assert len(whole) == 8
    torch.testing.assert_close(torch.stack(losses).mean(), whole.mean())


def test_a_sequence_trains_alike_beside_longer_ones_and_alone(recommender):
    """Where positions count from the end, the last target is asked for from the position that every history asks from."""
    rows = [[3, 1, 4, 1, 5], [9, 2], [6, 5, 3, 5]]
    padded = torch.tensor([row + [0] * (5 - len(row)) for row in rows])
    first = torch.ones(3, dtype=torch.int64)
    together = recommender.training_losses(PrefixBatch(padded, first, torch.tensor(8.0)))
    alone = [
        recommender.training_losses(PrefixBatch(torch.tensor([row]), first[:1], torch.tensor(8.0))) for row in rows
    ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-4)


def test_validation_loss_is_the_cross_entropy_of_the_target_whatever_the_training_loss():
    recommender = model(loss="bce")
    batch = Batch(HISTORIES, torch.tensor([3, 12, 1]), torch.arange(3))
    table = recommender.item_embeddings.tolist()
    expected = [
        slow.cross_entropy(recommender.history_states(history[None])[0].tolist(), target, table)
        for history, target in zip(HISTORIES, [3, 12, 1], strict=True)
    ]
    torch.testing.assert_close(recommender.validation_losses(batch), torch.tensor(expected), atol=1e-4, rtol=1e-4)


def test_validation_ranks_as_recommend_does(recommender):
    batch = Batch(HISTORIES, torch.tensor([3, 12, 1]), torch.arange(3))
    assert torch.equal(recommender.validation_items(batch), recommender.recommend(HISTORIES, 10).items)
    excluding = model(network=recommender.name, exclude_history=True)
    wanted = recommender.recommend(HISTORIES, 10, exclude_history=True).items
    assert torch.equal(excluding.validation_items(batch), wanted)


def test_batch_equals_single_whatever_the_padding(recommender):
    together = recommender.recommend(HISTORIES, k=6)
    for row, length in enumerate((4, 1, 2)):
        alone = recommender.recommend(HISTORIES[row : row + 1, :length], k=6)
        assert alone.items[0].tolist() == together.items[row].tolist()
        torch.testing.assert_close(alone.scores[0], together.scores[row], atol=1e-5, rtol=1e-5)


def test_only_the_most_recent_items_count(recommender):
    long = torch.tensor([[9, 8, 7, 1, 2, 3, 4]])
    assert torch.equal(recommender.recommend(long, 5).items, recommender.recommend(long[:, -4:], 5).items)


@pytest.mark.parametrize("width", [0, 1, 4])
def test_an_empty_history_is_answered_by_popularity_beside_others_and_alone(recommender, width):
    popular = [6, 4, 1, 10, 11, 3, 7, 8, 5, 12, 2, 9]
    empty = torch.zeros(1, width, dtype=torch.int64)
    items, scores = recommender.recommend(empty, k=14)
    assert items[0].tolist() == [*popular, 0, 0]
    assert scores[0, :3].tolist() == [30, 9, 5]
    assert (scores[0, 12:] == -torch.inf).all()
    mixed = torch.cat([HISTORIES, torch.zeros(1, 4, dtype=torch.int64)])
    together = recommender.recommend(mixed, k=14).items
    assert together[3].tolist() == [*popular, 0, 0]
    assert torch.equal(together[:3], recommender.recommend(HISTORIES, k=14).items)


def test_exclusion_covers_the_whole_given_history_and_keeps_the_order_of_the_rest(recommender):
    history = torch.tensor([[1, 2, 3, 4, 5, 6]])
    everything = [item for item in recommender.recommend(history, k=12).items[0].tolist() if item > 6]
    assert recommender.recommend(history, k=6, exclude_history=True).items[0].tolist() == everything
    assert recommender.recommend(history, k=8, exclude_history=True).items[0, 6:].tolist() == [0, 0]


def test_saved_and_loaded_models_answer_alike(recommender, tmp_path):
    recommender.save(tmp_path)
    other = NextItem.load(tmp_path)
    histories = torch.cat([HISTORIES, torch.zeros(1, 4, dtype=torch.int64)])
    torch.testing.assert_close(other.recommend(histories, 5), recommender.recommend(histories, 5))
    assert other.fingerprint == recommender.fingerprint
    assert other.name == recommender.name
    assert torch.equal(other.item_embeddings, recommender.item_embeddings)


def test_the_fingerprint_follows_weights_counts_and_what_is_read():
    prints = {model().fingerprint, model(max_history=3).fingerprint, model(network="gru4rec").fingerprint}
    other = model()
    other.counts[3] += 1
    prints.add(other.fingerprint)
    with torch.no_grad():
        other.item_embeddings[2, 0] += 1
    assert len({*prints, other.fingerprint}) == 5
    assert model(epochs=99).fingerprint == model().fingerprint


def test_recommend_leaves_the_mode_and_gradients_alone(recommender):
    recommender.train()
    recommender.recommend(HISTORIES, k=2)
    assert recommender.training
    batch = PrefixBatch(HISTORIES, torch.ones(3, dtype=torch.int64), torch.tensor(4.0))
    recommender.training_losses(batch).mean().backward()
    assert recommender.network.items.weight.grad is not None


def test_a_missing_model_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"model\.json does not exist; .* holds no trained model"):
        NextItem.load(tmp_path)


def test_more_negatives_than_items_are_refused_for_gbce():
    with pytest.raises(InputError, match="n_negatives=12 but the catalogue has 12 items; loss=gbce needs fewer"):
        NextItem({**TINY, "loss": "gbce", "n_negatives": 12}, COUNTS)


@pytest.mark.parametrize("exclude_history", [False, True])
def test_an_exact_index_answers_like_scoring_all_items(exclude_history):
    torch.manual_seed(0)
    model = NextItem({"max_history": 5}, torch.arange(31)).eval()
    histories = torch.tensor([[3, 9, 30, 1], [7, 7, 0, 0], [0, 0, 0, 0]])
    expected = model.recommend(histories, 30, exclude_history=exclude_history)
    model.index = ItemIndex.build(model.item_embeddings)
    found = model.recommend(histories, 30, exclude_history=exclude_history)
    assert found.items.tolist() == expected.items.tolist()
    torch.testing.assert_close(found.scores, expected.scores, atol=1e-5, rtol=1e-5)
