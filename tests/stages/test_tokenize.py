"""Stage tokenize: unique identifiers, honest health, exact continuation, imported indices, two processes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tigerlite.config import ConfigError, InputError, reseeded
from tigerlite.data.dataset import RecDataset
from tigerlite.distributed import is_rank_zero, world_size
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.evaluation.codes import codes_health, collision_rate
from tigerlite.stages import tokenize
from tigerlite.stages.codebook_health import HEALTH
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.stages.trainer import LAST
from tigerlite.stages.trainer_config import Context, TrainerConfig
from tigerlite.tokenizers.collisions import nearest_free
from tigerlite.tokenizers.imported import ImportedConfig
from tigerlite.tokenizers.rqvae import RQVAE
from tigerlite.tokenizers.rqvae_config import RQVAEConfig
from tigerlite.tokenizers.saved import load_tokenizer

N_ITEMS = 96
SMALL = {"hidden_sizes": (16,), "latent": 8, "codebook_sizes": (8, 8), "batch_size": 32, "epochs": 4}


def config(**settings) -> TokenizeConfig:
    rqvae = RQVAEConfig(**{**SMALL, **settings.pop("rqvae", {})})
    return TokenizeConfig(rqvae=rqvae, **settings)


def items(n_items: int = N_ITEMS) -> ItemEmbeddings:
    """Clusters of similar items; the last two items equal the first."""
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(12, 10))[np.arange(n_items) % 12] + 0.2 * generator.normal(size=(n_items, 10))
    matrix[-2:] = matrix[0]
    return ItemEmbeddings(matrix.astype(np.float32))


def dataset(n_items: int = N_ITEMS, identifiers: np.ndarray | None = None) -> RecDataset:
    """One user who saw every item in order; the last ten items are validation and test."""
    return RecDataset(
        items=np.arange(1, n_items + 1, dtype=np.int32),
        offsets=np.array([0, n_items]),
        train_ends=np.array([n_items - 10]),
        validation=np.array([[0, n_items - 10]]),
        test=np.array([[0, n_items - 9]]),
        user_ids=["user"],
        item_ids=[str(number) for number in range(n_items)],
        titles=[""] * n_items,
        identifiers=identifiers,
    )


def context(**settings) -> Context:
    return Context(trainer=TrainerConfig(accelerator="cpu", progress=False, **settings))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder, config and bank of a trained tokenizer with rank digits."""
    folder = tmp_path_factory.mktemp("tokenize")
    settings = config()
    return folder, settings, tokenize.run(settings, items(), dataset(), out=folder, context=context())


def test_every_item_has_its_own_path_and_the_bank_is_what_was_written(finished):
    folder, _, bank = finished
    assert (bank.n_members, bank.n_items, bank.n_levels) == (1, N_ITEMS, 3)
    assert len(bank.primary[1:].unique(dim=0)) == N_ITEMS
    assert tokenize.load(folder).fingerprint == bank.fingerprint


def test_identical_items_differ_in_the_digit_alone(finished):
    _, _, bank = finished
    same = bank.primary[[1, N_ITEMS - 1, N_ITEMS]]
    assert len(same[:, :-1].unique(dim=0)) == 1
    assert sorted(same[:, -1].tolist()) == same[:, -1].tolist()
    assert len(same[:, -1].unique()) == 3


def test_the_tokenizer_in_the_folder_gives_the_codes_in_the_bank(finished):
    folder, _, bank = finished
    codes = load_tokenizer(folder).encode(torch.from_numpy(items().matrix))
    assert torch.equal(codes, bank.primary[1:, :-1])


def test_health_file_describes_the_codes_before_resolution(finished):
    folder, settings, bank = finished
    health = json.loads((folder / HEALTH).read_text())
    codes = bank.primary[1:, :-1].numpy()
    n_distinct = len(np.unique(codes, axis=0))
    assert health["collision_rate"] == pytest.approx(collision_rate(codes))
    assert (health["n_items"], health["n_distinct"], health["n_duplicates"]) == (
        N_ITEMS,
        n_distinct,
        N_ITEMS - n_distinct,
    )
    assert health["largest_group"] == bank.vocab.codebook_sizes[-1]
    assert health["collisions"] == "rank_digit"
    for found, expected in zip(health["levels"], codes_health(codes, settings.rqvae.codebook_sizes), strict=True):
        assert found == vars(expected)


def test_an_interrupted_run_ends_like_an_uninterrupted_one(finished, tmp_path):
    folder, settings, bank = finished
    tokenize.run(settings, items(), dataset(), out=tmp_path, context=context(max_epochs=2))
    torch.manual_seed(123)
    again = tokenize.run(settings, items(), dataset(), out=tmp_path, context=context())
    assert again.fingerprint == bank.fingerprint
    expected, found = (load_tokenizer(place).state_dict() for place in (folder, tmp_path))
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


def test_a_run_killed_after_early_stopping_writes_the_same_bank(tmp_path):
    # Learning so fast that the held-out error soon rises: training stops early, not at the last epoch.
    settings = config(rqvae={"epochs": 40, "patience": 1, "lr": 0.3})
    bank = tokenize.run(settings, items(), dataset(), out=tmp_path, context=context())
    assert torch.load(tmp_path / LAST, weights_only=True)["epoch"] < 39
    for name in ("codes.safetensors", "bank.json", HEALTH, "tokenizer.safetensors"):
        (tmp_path / name).unlink()
    assert tokenize.run(settings, items(), dataset(), out=tmp_path, context=context()).fingerprint == bank.fingerprint


@pytest.mark.parametrize("collisions", ["nearest_free", "random_free"])
def test_free_codes_keep_the_number_of_levels(tmp_path, collisions):
    wide = config(collisions=collisions, rqvae={"codebook_sizes": (8, 16), "epochs": 1})
    bank = tokenize.run(wide, items(), dataset(), out=tmp_path / "wide", context=context())
    assert bank.vocab.codebook_sizes == (8, 16)
    assert len(bank.primary[1:].unique(dim=0)) == N_ITEMS
    narrow = config(collisions=collisions, rqvae={"codebook_sizes": (8, 8), "epochs": 1})
    with pytest.raises(InputError, match=r"96 items do not fit into 64 code paths of levels \[8, 8\]"):
        tokenize.run(narrow, items(), dataset(), out=tmp_path / "narrow", context=context())


def test_nearest_free_moves_duplicates_in_the_space_of_the_latents(tmp_path):
    settings = config(collisions="nearest_free", rqvae={"codebook_sizes": (8, 16), "epochs": 1})
    bank = tokenize.run(settings, items(), dataset(), out=tmp_path, context=context())
    tokenizer = load_tokenizer(tmp_path)
    embeddings = torch.from_numpy(items().matrix)
    codebooks = [codebook.vectors.numpy() for codebook in tokenizer.quantizer.codebooks]
    codes, latents = tokenizer.encode(embeddings).numpy(), tokenizer.latents(embeddings).numpy()
    expected = nearest_free(codes, (8, 16), latents=latents, codebooks=codebooks)
    assert bank.primary[1:].tolist() == expected.codes.tolist()


def test_train_items_only_leaves_items_of_the_split_out_of_training(tmp_path):
    # 86 of 96 items occur in training, too few for 88 codes; they would do with all items.
    sizes = {"codebook_sizes": (88,), "epochs": 1, "holdout": 0.0, "patience": 0}
    with pytest.raises(InputError, match=r"86 items to train on are fewer than the 88 codes"):
        tokenize.run(config(rqvae=sizes, train_items_only=True), items(), dataset(), out=tmp_path, context=context())
    bank = tokenize.run(config(rqvae=sizes), items(), dataset(), out=tmp_path, context=context())
    assert bank.n_items == N_ITEMS


def test_a_collapsed_tokenizer_is_reported_with_the_remedy(tmp_path, caplog):
    flat = ItemEmbeddings(np.zeros((N_ITEMS, 4), dtype=np.float32))
    tokenize.run(config(rqvae={"epochs": 1}), flat, dataset(), out=tmp_path, context=context())
    assert any("level 1 spreads the items over 1.0 of 8 codes" in message for message in caplog.messages)


def imported_dataset() -> RecDataset:
    identifiers = np.zeros((7, 2), dtype=np.int32)
    identifiers[1:] = [[0, 0], [0, 0], [1, 2], [0, 1], [0, 0], [1, 2]]
    data = dataset(12)
    return RecDataset(**{**vars(data), "items": data.items % 6 + 1, "identifiers": identifiers, **_named(6)})


def _named(n_items: int) -> dict[str, list[str]]:
    return {"item_ids": [str(number) for number in range(n_items)], "titles": [""] * n_items}


def test_imported_identifiers_need_no_embeddings(tmp_path):
    settings = config(method="imported", collisions="random_free", imported=ImportedConfig(codebook_sizes=(2, 8)))
    assert not settings.needs_embeddings
    bank = tokenize.run(settings, None, imported_dataset(), out=tmp_path)
    assert bank.primary[[1, 3, 4]].tolist() == [[0, 0], [1, 2], [0, 1]]
    health = json.loads((tmp_path / HEALTH).read_text())
    assert (health["n_distinct"], health["n_duplicates"], health["collision_rate"]) == (3, 3, pytest.approx(3 / 6))
    with pytest.raises(InputError, match=r"holds no tokenizer .* imported identifiers have none"):
        load_tokenizer(tmp_path)


def test_imported_identifiers_take_the_nearest_free_code_where_embeddings_exist(tmp_path):
    # Level 2 comes out at -.25, .75 and 0 for codes 0, 1, 2: item 2 (residual -.25) finds 0 taken and 2 next.
    matrix = np.array([[0.0], [0.0], [30.0], [1.0], [0.0], [30.0]], dtype=np.float32)
    settings = config(method="imported", collisions="nearest_free", imported=ImportedConfig(codebook_sizes=(2, 5)))
    assert settings.needs_embeddings
    bank = tokenize.run(settings, ItemEmbeddings(matrix), imported_dataset(), out=tmp_path)
    assert bank.primary[[1, 3, 4]].tolist() == [[0, 0], [1, 2], [0, 1]]
    assert bank.primary[2].tolist() == [0, 2]
    assert len(bank.primary[1:].unique(dim=0)) == 6


def test_a_seed_reaches_every_section(tmp_path):
    assert reseeded(config(), 7).rqvae.seed == 7
    wide = ImportedConfig(codebook_sizes=(2, 1000))
    settings = config(method="imported", collisions="random_free", imported=wide)
    first, again, other = (
        tokenize.run(reseeded(settings, seed), None, imported_dataset(), out=tmp_path).fingerprint for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize(("name", "n_items", "n_duplicates"), [("yelp", 20033, 832), ("instruments", 9922, 25)])
def test_published_indices_become_collision_free_banks(test_data, tmp_path, name, n_items, n_duplicates):
    file = test_data / name / "index.json"
    imported = ImportedConfig(file=file, codebook_sizes=(256,) * 4)
    settings = TokenizeConfig(method="imported", collisions="random_free", imported=imported)
    bank = tokenize.run(settings, None, dataset(n_items), out=tmp_path)
    health = json.loads((tmp_path / HEALTH).read_text())
    assert (health["n_items"], health["n_duplicates"]) == (n_items, n_duplicates)
    assert bank.items(bank.primary[1:]).tolist() == list(range(1, n_items + 1))


@pytest.mark.parametrize(
    ("settings", "embeddings", "message"),
    [
        ({}, None, "tokenize.method=rqvae needs item embeddings; run the encode stage first"),
        ({}, items(50), "embeddings of 50 items were given but the data set has 96; encode it"),
        ({"rqvae": {"codebook_sizes": (256,)}}, items(), "items to train on are fewer than the 256 codes of a level"),
        ({"method": "imported", "collisions": "nearest_free"}, None, "set tokenize.collisions=random_free"),
        ({"method": "imported"}, None, "data set brings no identifiers; set tokenize.imported.file"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_in_one_line(tmp_path, settings, embeddings, message):
    with pytest.raises(InputError, match=message):
        tokenize.run(config(**settings), embeddings, dataset(), out=tmp_path, context=context())


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_precisions_that_round_the_codebooks_are_refused(tmp_path, precision):
    with pytest.raises(InputError, match=f"trainer.precision={precision} cannot train the RQ-VAE"):
        tokenize.run(config(), items(), dataset(), out=tmp_path, context=context(precision=precision))


def test_mixed_precision_trains_float32_codebooks(tmp_path):
    tokenize.run(config(rqvae={"epochs": 1}), items(), dataset(), out=tmp_path, context=context(precision="bf16-mixed"))
    state = load_tokenizer(tmp_path).state_dict()
    assert state["quantizer.codebooks.0.vectors"].dtype == torch.float32


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"method": "rqvea"},
            r"method='rqvea' is unknown; allowed: rqvae, .*; did you mean 'rqvae'\?",
        ),
        (
            {"collisions": "digit"},
            "collisions='digit' is unknown; allowed: rank_digit, nearest_free, random_free, first_free",
        ),
        ({"max_digits": 0}, "max_digits=0 is out of range; allowed: an integer >= 1"),
        ({"seed": -1}, "seed=-1 is out of range"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TokenizeConfig(**settings)


def test_two_processes_train_like_one(tmp_path):
    # k-means, moving averages and gradients see all items, so the two runs differ by rounding only.
    command = [sys.executable, __file__, str(tmp_path / "two")]
    done = subprocess.run(command, check=True, timeout=240, capture_output=True, text=True)
    codes_of_two = json.loads((tmp_path / "two" / "training_codes.json").read_text())
    assert "processes: 2" in done.stdout
    codes_of_one = _train_shared(tmp_path / "one", context())
    one, two = (load_tokenizer(tmp_path / name) for name in ("one", "two"))
    for level, codebook in enumerate(one.quantizer.codebooks):
        torch.testing.assert_close(two.quantizer.codebooks[level].vectors, codebook.vectors, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(two.encoder[1].weight, one.encoder[1].weight, atol=1e-3, rtol=1e-3)
    # What the health callback sees is gathered from both processes; rounding may flip a code here and there.
    assert (np.array(codes_of_two) == np.array(codes_of_one)).mean() > 0.95
    assert tokenize.load(tmp_path / "two").n_items == N_ITEMS


def _train_shared(folder: Path, trainer_context: Context) -> list:
    """Train on all items; the codes that the module reports at the end of every epoch."""
    reported = []
    training_codes = RQVAE.training_codes

    def recording(self: RQVAE) -> torch.Tensor:
        reported.append(training_codes(self))
        return reported[-1]

    RQVAE.training_codes = recording
    try:
        rqvae = {"holdout": 0.0, "patience": 0, "batch_size": 48, "epochs": 3}
        tokenize.run(config(rqvae=rqvae), items(), dataset(), out=folder, context=trainer_context)
    finally:
        RQVAE.training_codes = training_codes
    return [codes.tolist() for codes in reported]


if __name__ == "__main__":
    # Lightning's ddp starts this file again for the second process.
    codes = _train_shared(Path(sys.argv[1]), context(devices=2, strategy="ddp"))
    if is_rank_zero():
        (Path(sys.argv[1]) / "training_codes.json").write_text(json.dumps(codes))
        print(f"processes: {world_size()}")
