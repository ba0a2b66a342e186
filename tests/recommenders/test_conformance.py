"""What every recommender promises, on sequences whose next item is known: each walks through the catalogue in a circle.

A new recommender is one line in `METHODS`.
"""

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_catalogues import circle, grid

from tigerlite.config import InputError
from tigerlite.data.dataset import RecDataset
from tigerlite.optim import OptimizerConfig
from tigerlite.recommenders.base import Recommender
from tigerlite.recommenders.baselines import NETWORKS
from tigerlite.recommenders.baselines.closed_forms import CLOSED_FORMS
from tigerlite.recommenders.nextitem import NextItemConfig
from tigerlite.recommenders.saved import load_recommender
from tigerlite.recommenders.soft_identifiers import SoftIdentifiers
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGERConfig
from tigerlite.recommenders.unigrec_config import UniGRecConfig
from tigerlite.serving.predictor import Predictor
from tigerlite.stages import recommend
from tigerlite.stages.recommend_config import RecommendConfig
from tigerlite.stages.trainer_config import Context, TrainerConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.collisions import rank_digit
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE
from tigerlite.tokenizers.soft_rqvae_config import SoftRQVAEConfig
from tigerlite.tokenizers.vocabulary import SemanticVocab

N_ITEMS = 12
ATTRIBUTES = [[f"row {item // 3}", f"column {item % 3}"] for item in range(N_ITEMS)]
FAST = OptimizerConfig(lr=1e-2, weight_decay=0.0, warmup_epochs=0.5)
SLOWER = replace(FAST, lr=3e-3)
T5 = T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=32, n_heads=2, d_kv=16, d_ff=64, dropout=0.0)
TIGER = TIGERConfig(t5=T5, optimizer=SLOWER, epochs=40, batch_size=32, max_history=6, valid_beams=12, validate_every=5)
NEXT = NextItemConfig(optimizer=FAST, epochs=25, batch_size=32, max_history=6, validate_every=5)


def next_item(name: str) -> RecommendConfig:
    """A small network without dropout; masked training has fewer targets per epoch, so BERT4Rec gets more epochs."""
    section = replace(NextItemConfig(network=name).section, d_model=32, dropout=0.0)
    settings = replace(NEXT, epochs=120, optimizer=SLOWER) if name == "bert4rec" else NEXT
    settings = replace(settings, network=name)
    return RecommendConfig(method="nextitem", nextitem=replace(settings, **{name: section}))


JOINT = UniGRecConfig(digits=6, distillation_start=1, uniformity_weight=1e-3, tokenizer_lr=1e-4, hysteresis=1.5)
FROZEN = UniGRecConfig(
    train_tokenizer=False, digits=6, tokenizer_distillation_weight=0.0, recommender_distillation_weight=0.0
)


METHODS = {
    "tiger": RecommendConfig(tiger=TIGER),
    "tiger-causal": RecommendConfig(tiger=replace(TIGER, encoder_attention="causal")),
    "tiger-copy": RecommendConfig(tiger=replace(TIGER, encoder_attention="causal", copy=True)),
    "unigrec": RecommendConfig(method="unigrec", tiger=TIGER, unigrec=JOINT),
    "unigrec-causal": RecommendConfig(
        method="unigrec", tiger=replace(TIGER, encoder_attention="causal"), unigrec=JOINT
    ),
    "unigrec-frozen": RecommendConfig(method="unigrec", tiger=TIGER, unigrec=FROZEN),
    "sasrec": RecommendConfig(
        method="nextitem", nextitem=replace(NEXT, sasrec=replace(NEXT.sasrec, d_model=32, dropout=0.0))
    ),
    "gru4rec": RecommendConfig(
        method="nextitem",
        nextitem=replace(NEXT, network="gru4rec", gru4rec=replace(NEXT.gru4rec, d_model=32, dropout=0.0)),
    ),
    **{name: next_item(name) for name in NETWORKS if name not in ("sasrec", "gru4rec")},
    "itemknn": RecommendConfig(method="itemknn"),
    "popularity": RecommendConfig(method="popularity"),
    "recent": RecommendConfig(method="recent"),
}
SEQUENTIAL = [name for name in METHODS if name not in CLOSED_FORMS]
TRAINED = SEQUENTIAL


def catalogue() -> RecDataset:
    """Eighty users who walk through twelve items in a circle; the items have attributes."""
    return replace(circle(80, longest=10), attributes=ATTRIBUTES)


def soft() -> SoftIdentifiers:
    """Random embeddings, a tokenizer whose codes lie among them, and a random teacher."""
    torch.manual_seed(0)
    embeddings, teacher = torch.randn(N_ITEMS, 8), torch.randn(N_ITEMS, 5)
    tokenizer = SoftRQVAE(
        SoftRQVAEConfig(hidden_sizes=(16,), latent=4, codebook_sizes=(8, 4), schedule="constant", tau_min=0.01), 8
    )
    with torch.no_grad():  # not by k-means, which only the first of several processes does
        latents = tokenizer.encoder(tokenizer.normalise(embeddings))
        tokenizer.quantizer.codebooks[0].copy_(latents[:8])
        tokenizer.quantizer.codebooks[1].copy_(latents[8:] - latents[:4])
    return SoftIdentifiers(tokenizer, embeddings, teacher)


def inputs(name: str) -> dict[str, object]:
    """Identifiers, and what else a method reads."""
    if not name.startswith("unigrec"):
        return {"bank": grid()}
    found = soft()
    resolved = rank_digit(found.tokenizer.encode(found.embeddings).numpy(), (8, 4))
    codes = np.concatenate([np.zeros_like(resolved.codes[:1]), resolved.codes])
    bank = TokenizerBank(torch.from_numpy(codes)[None], SemanticVocab(resolved.codebook_sizes))
    return {"bank": bank, "soft": found}


def train(name: str, out: Path, *, epochs: int | None = None, devices: int = 1) -> Recommender:
    settings = TrainerConfig(
        accelerator="cpu", progress=False, max_epochs=epochs, devices=devices, strategy="ddp" if devices > 1 else "auto"
    )
    out.mkdir(parents=True, exist_ok=True)
    return recommend.run(METHODS[name], catalogue(), **inputs(name), out=out, context=Context(trainer=settings))


@dataclass(frozen=True)
class Trained:
    name: str
    folder: Path
    model: Recommender


@pytest.fixture(scope="module", params=list(METHODS))
def trained(request, tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp(request.param)
    return Trained(request.param, folder, train(request.param, folder))


HISTORIES = torch.tensor([[3, 4, 5, 6], [12, 1, 0, 0], [7, 0, 0, 0], [0, 0, 0, 0]])


def test_it_learns_a_planted_pattern(trained):
    if trained.name not in SEQUENTIAL:
        pytest.skip("reads no order")
    items, _ = trained.model.recommend(HISTORIES[:3], 1)
    assert items.tolist() == [[7], [2], [8]]


def test_a_batch_is_answered_like_each_history_alone(trained):
    items, scores = trained.model.recommend(HISTORIES, 5)
    for row, history in enumerate(HISTORIES):
        alone = trained.model.recommend(history[None, : max(1, int((history > 0).sum()))], 5)
        assert alone.items[0].tolist() == items[row].tolist()
        torch.testing.assert_close(alone.scores[0], scores[row], atol=1e-5, rtol=1e-5)


def test_items_are_ranked_once_each_by_falling_score(trained):
    items, scores = trained.model.recommend(HISTORIES, N_ITEMS)
    assert items.sort(dim=1).values.tolist() == [list(range(1, N_ITEMS + 1))] * len(HISTORIES)
    assert (scores.diff(dim=1) <= 0).all()


def test_more_items_than_the_catalogue_has_end_in_empty_places(trained):
    items, scores = trained.model.recommend(HISTORIES, N_ITEMS + 3)
    assert (items[:, :N_ITEMS] > 0).all()
    assert (items[:, N_ITEMS:] == 0).all()
    assert (scores[:, N_ITEMS:] == -torch.inf).all()


def test_an_empty_history_gets_recommendations(trained):
    items, scores = trained.model.recommend(torch.zeros(1, 1, dtype=torch.int64), 3)
    assert (items > 0).all()
    assert torch.isfinite(scores).all()


def test_a_history_longer_than_the_model_reads_counts_by_its_end(trained):
    if trained.name not in SEQUENTIAL:
        pytest.skip("has no window shorter than these histories")
    long = torch.tensor([[9, 2, 2, 7, 1, 2, 3, 4, 5, 6]])
    whole, recent = trained.model.recommend(long, 5), trained.model.recommend(long[:, -6:], 5)
    assert whole.items.tolist() == recent.items.tolist()


def test_the_whole_history_is_excluded_on_request(trained):
    long = torch.tensor([[9, 2, 2, 7, 1, 2, 3, 4, 5, 6]])
    items, _ = trained.model.recommend(long, N_ITEMS, exclude_history=True)
    assert items[0].tolist()[:3] != [0, 0, 0]
    assert set(items[0].tolist()) == {8, 10, 11, 12, 0}


def test_a_saved_and_loaded_model_answers_alike(trained, tmp_path):
    trained.model.save(tmp_path)
    loaded = load_recommender(tmp_path)
    assert loaded.fingerprint == trained.model.fingerprint
    assert (loaded.name, loaded.n_parameters) == (trained.model.name, trained.model.n_parameters)
    for ours, theirs in zip(loaded.recommend(HISTORIES, 6), trained.model.recommend(HISTORIES, 6), strict=True):
        assert ours.tolist() == theirs.tolist()


def test_asking_leaves_the_model_as_it_was(trained):
    before = trained.model.fingerprint
    trained.model.recommend(HISTORIES, 4)
    assert trained.model.fingerprint == before


def test_unknown_items_are_reported_and_a_history_of_nothing_else_is_refused(trained):
    dataset = catalogue()
    predictor = Predictor(trained.model, dataset.item_ids, dataset.titles)
    answer = predictor.recommend([["i3", "nothing", "i4"]], 2)[0]
    assert answer.unknown == ["nothing"]
    assert answer.items == predictor.recommend([["i3", "i4"]], 2)[0].items
    with pytest.raises(InputError, match="has no item of the catalogue"):
        predictor.recommend([["nothing"]], 2)


@pytest.mark.parametrize("name", TRAINED)
def test_the_same_seed_gives_the_same_model(name, tmp_path):
    first, second = (train(name, tmp_path / place, epochs=1).fingerprint for place in ("a", "b"))
    assert first == second


@pytest.mark.parametrize("name", TRAINED)
def test_two_processes_equal_one(name, tmp_path):
    command = [sys.executable, __file__, name, tmp_path / "two"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = train(name, tmp_path / "one", epochs=2), load_recommender(tmp_path / "two")
    ours, theirs = one.recommend(HISTORIES, N_ITEMS), two.recommend(HISTORIES, N_ITEMS)
    assert ours.items.tolist() == theirs.items.tolist()
    torch.testing.assert_close(ours.scores, theirs.scores, atol=2e-4, rtol=2e-4)


def sequences(lists: list[list[int]]) -> RecDataset:
    """The last two items of each list are held out."""
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    users = np.arange(len(lists))
    return RecDataset(
        items=np.concatenate(lists).astype(np.int32),
        offsets=offsets,
        train_ends=offsets[1:] - 2,
        validation=np.stack([users, offsets[1:] - 2], axis=1),
        test=np.stack([users, offsets[1:] - 1], axis=1),
        user_ids=[f"u{user}" for user in users],
        item_ids=[f"i{item}" for item in range(1, N_ITEMS + 1)],
        titles=[f"Item {item}" for item in range(1, N_ITEMS + 1)],
        attributes=ATTRIBUTES,
    )


@pytest.mark.parametrize("name", METHODS)
def test_users_with_one_training_item_and_items_without_any_are_no_obstacle(name, tmp_path):
    # Item 12 is only ever held out; the second user has one training item, hence no training target.
    dataset = sequences([[1, 2, 3, 4, 12], [5, 6, 12], [2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 1, 2]])
    context = Context(trainer=TrainerConfig(accelerator="cpu", progress=False, max_epochs=1))
    model = recommend.run(METHODS[name], dataset, **inputs(name), out=tmp_path, context=context)
    items, scores = model.recommend(torch.tensor([[12, 0], [3, 12]]), N_ITEMS)
    assert items.sort(dim=1).values.tolist() == [list(range(1, N_ITEMS + 1))] * 2
    assert torch.isfinite(scores).all()


@pytest.mark.parametrize("name", TRAINED)
def test_sequences_without_a_training_target_are_one_line(name, tmp_path):
    context = Context(trainer=TrainerConfig(accelerator="cpu", progress=False, max_epochs=1))
    with pytest.raises(InputError, match="no training sample; users need 2"):
        recommend.run(METHODS[name], sequences([[1, 2, 3], [4, 5, 6]]), **inputs(name), out=tmp_path, context=context)


if __name__ == "__main__":
    # Lightning's ddp starts this file again for the second process.
    train(sys.argv[1], Path(sys.argv[2]), epochs=2, devices=2)
