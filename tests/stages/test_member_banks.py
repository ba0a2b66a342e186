"""Banks of several members: the last epochs of a run, independent runs, one vocabulary, exact continuation."""

import json
from dataclasses import replace

import pytest
import torch
from toy_catalogues import clusters, one_user

from tigerlite.callbacks.checkpoint_ensemble import central_order, window_epochs
from tigerlite.config import ConfigError, InputError, fingerprint, reseeded
from tigerlite.data.dataset import RecDataset
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.stages import tokenize
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.stages.trainer import LAST
from tigerlite.stages.trainer_config import Context, TrainerConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.rqvae import RQVAE
from tigerlite.tokenizers.rqvae_config import RQVAEConfig
from tigerlite.tokenizers.saved import load_tokenizer

N_ITEMS = 96
SMALL = RQVAEConfig(hidden_sizes=(16,), latent=8, codebook_sizes=(8, 8), batch_size=32, epochs=5, patience=0, lr=0.02)
WINDOW = TokenizeConfig(rqvae=SMALL, members=3)


def items() -> ItemEmbeddings:
    return clusters(N_ITEMS, n_equal=2)


def dataset() -> RecDataset:
    return one_user(N_ITEMS, n_held_out=10)


def build(config: TokenizeConfig, out, **trainer) -> TokenizerBank:
    out.mkdir(exist_ok=True)
    context = Context(trainer=TrainerConfig(accelerator="cpu", progress=False, **trainer))
    return tokenize.run(config, items(), dataset(), out=out, context=context)


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    folder = tmp_path_factory.mktemp("window")
    return folder, build(WINDOW, folder)


def test_members_are_what_runs_of_as_many_epochs_end_with(window, tmp_path):
    _, bank = window
    epochs = [member["epoch"] for member in bank.provenance["members"]]
    assert epochs == [4, 5, 3]
    for member, epoch in enumerate(epochs):
        # The learning rate is constant after its warm-up, so a shorter run is the beginning of a longer one.
        build(replace(WINDOW, members=1), tmp_path / str(epoch), max_epochs=epoch)
        last = torch.load(tmp_path / str(epoch) / LAST, weights_only=True)["state_dict"]
        tokenizer = load_tokenizer(tmp_path / str(epoch))
        tokenizer.load_state_dict(last)
        codes = tokenizer.encode(torch.from_numpy(items().matrix))
        assert torch.equal(codes, bank.codes[member, 1:, :-1])


def test_each_member_has_its_own_unique_paths_and_one_vocabulary_holds_all(window):
    folder, bank = window
    assert bank.n_members == 3
    largest = [member["largest_group"] for member in json.loads((folder / "members.json").read_text())]
    assert bank.vocab.codebook_sizes == (8, 8, max(largest))
    for codes in bank.codes[:, 1:]:
        assert len(codes.unique(dim=0)) == N_ITEMS
    assert not torch.equal(bank.codes[1, :, :-1], bank.codes[2, :, :-1])


def test_the_tokenizer_for_new_items_is_the_central_members(window):
    folder, bank = window
    codes = load_tokenizer(folder).encode(torch.from_numpy(items().matrix))
    assert torch.equal(codes, bank.primary[1:, :-1])


@pytest.mark.parametrize("stop", [2, 4])
def test_a_run_interrupted_before_or_inside_the_window_gives_the_same_members(window, tmp_path, stop, monkeypatch):
    original = RQVAE.training_step

    def interrupted(self, rows):
        if self.current_epoch == stop:
            raise RuntimeError("killed")
        return original(self, rows)

    monkeypatch.setattr(RQVAE, "training_step", interrupted)
    with pytest.raises(RuntimeError, match="killed"):
        build(WINDOW, tmp_path / "out")
    monkeypatch.setattr(RQVAE, "training_step", original)
    torch.manual_seed(99)
    again = build(WINDOW, tmp_path / "out")
    assert again.fingerprint == window[1].fingerprint
    expected, found = (load_tokenizer(place).state_dict() for place in (window[0], tmp_path / "out"))
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_independent_members_of_two_seeds_share_no_tokenizer(tmp_path):
    independent = replace(WINDOW, members=2, ensemble="independent")
    banks = [build(reseeded(independent, seed), tmp_path / f"run{seed}") for seed in (0, 1)]
    seeds = [member["seed"] for bank in banks for member in bank.provenance["members"]]
    assert seeds == [0, 1, 2, 3]


def test_independent_members_are_single_tokenizers_of_successive_seeds(tmp_path):
    bank = build(replace(WINDOW, members=2, ensemble="independent"), tmp_path / "both")
    assert [member["seed"] for member in bank.provenance["members"]] == [0, 1]
    for seed in (0, 1):
        single = build(reseeded(replace(WINDOW, members=1), seed), tmp_path / str(seed))
        assert torch.equal(single.primary[:, :-1], bank.codes[seed, :, :-1])
    codes = load_tokenizer(tmp_path / "both").encode(torch.from_numpy(items().matrix))
    assert torch.equal(codes, bank.primary[1:, :-1])
    (tmp_path / "both" / "codes.safetensors").unlink()
    assert build(replace(WINDOW, members=2, ensemble="independent"), tmp_path / "both").fingerprint == bank.fingerprint


def test_nearest_free_resolves_each_member_by_its_own_tokenizer(tmp_path):
    wide = replace(SMALL, codebook_sizes=(8, 16))
    bank = build(TokenizeConfig(rqvae=wide, members=2, collisions="nearest_free"), tmp_path / "nearest")
    assert bank.vocab.codebook_sizes == (8, 16)
    digits = build(TokenizeConfig(rqvae=wide, members=2), tmp_path / "digits")
    firsts = digits.codes[:, 1:, -1] == 0
    assert torch.equal(bank.codes[:, 1:][firsts], digits.codes[:, 1:, :-1][firsts])


@pytest.mark.parametrize(
    ("members", "interval", "epochs", "found"), [(3, 1, 5, [3, 4, 5]), (3, 2, 5, [1, 3, 5]), (1, 7, 2, [2])]
)
def test_the_window_ends_with_the_run(members, interval, epochs, found):
    assert window_epochs(members, interval, epochs) == found


def test_a_window_that_the_run_cannot_fill_is_refused_before_training(tmp_path):
    with pytest.raises(InputError, match=r"members=3 with tokenize.member_interval=3 needs 7 epochs .* trains 5"):
        build(replace(WINDOW, member_interval=3), tmp_path / "short")
    with pytest.raises(InputError, match="needs 3 epochs of the tokenizer, which trains 2"):
        build(WINDOW, tmp_path / "bounded", max_epochs=2)
    assert not (tmp_path / "short" / LAST).exists()


def test_members_that_no_method_makes_are_refused():
    with pytest.raises(ConfigError, match="rqvae.patience=20 may end it early; set rqvae.patience=0"):
        TokenizeConfig(members=2)
    with pytest.raises(ConfigError, match="members=2 is out of range; allowed: 1 with method=imported"):
        TokenizeConfig(members=2, method="imported")
    with pytest.raises(ConfigError, match="member_interval=0"):
        TokenizeConfig(member_interval=0)
    with pytest.raises(ConfigError, match="did you mean 'checkpoints'"):
        TokenizeConfig(ensemble="checkpoint")


def test_fields_of_several_members_name_no_single_tokenizer():
    single = TokenizeConfig()
    assert fingerprint(single) == fingerprint(replace(single, ensemble="independent", member_interval=5))
    independent = replace(WINDOW, ensemble="independent")
    assert fingerprint(independent) == fingerprint(replace(independent, member_interval=5))
    assert len({fingerprint(config) for config in (single, WINDOW, independent)}) == 3


def test_a_bank_gives_out_some_of_its_members_with_their_provenance(window):
    _, bank = window
    part = bank.select([2, 0])
    assert torch.equal(part.codes, bank.codes[[2, 0]])
    assert [member["epoch"] for member in part.provenance["members"]] == [3, 4]
    for wrong in ([3], [], [0, 0]):
        with pytest.raises(InputError, match=r"cannot be taken of a bank of 3; .* of 0\.\.2"):
            bank.select(wrong)


def test_the_centre_comes_first():
    assert central_order(5)[0] == 2
    assert sorted(central_order(6)) == list(range(6))
