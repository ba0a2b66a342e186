"""Which members are trained on; a model per member, the best by validation; the whole chain on toy films."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.callbacks import test_group_sampling as mixing
from tigerlite.config import ConfigError, InputError, fingerprint, from_dict
from tigerlite.recommenders.tiger import TIGER
from tigerlite.stages import recommend
from tigerlite.stages.member_choice import IdentifiersConfig, group_sampling, track_groups
from tigerlite.stages.pipeline import train
from tigerlite.stages.pipeline_config import PipelineConfig
from tigerlite.stages.recommend import RecommendConfig
from tigerlite.stages.trainer_config import Context, TrainerConfig
from tigerlite.tokenizers.bank import TokenizerBank


def finetune(folder: Path, base: TIGER | None, bank: TokenizerBank | None = None, **identifiers) -> TIGER:
    folder.mkdir(parents=True, exist_ok=True)
    settings = mixing.config()
    settings = replace(settings, identifiers=IdentifiersConfig(use="each", **identifiers))
    context = Context(trainer=TrainerConfig(accelerator="cpu", progress=False, max_epochs=2), stage="finetune")
    return recommend.run(settings, mixing.circle(), bank or mixing.bank(), base, out=folder, context=context)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> TIGER:
    return mixing.train(mixing.config(), tmp_path_factory.mktemp("base"))


def test_the_best_member_by_validation_is_the_result(base, tmp_path):
    model = finetune(tmp_path, base)
    found = json.loads((tmp_path / "members.json").read_text())
    scores = [member["ndcg@10"] for member in found["members"]]
    assert len(scores) == 3
    assert scores[found["chosen"]] == max(scores)
    assert TIGER.load(tmp_path / f"member-{found['chosen']}").fingerprint == model.fingerprint
    assert model.codes.tolist() == mixing.bank().codes[found["chosen"]].tolist()
    # Fine-tuning of a member alone, from the same weights, is what was chosen from.
    alone = finetune(tmp_path / "alone", base, members=(found["chosen"],))
    assert alone.fingerprint == model.fingerprint


def test_members_that_are_finished_are_not_trained_again(base, tmp_path, monkeypatch):
    expected = finetune(tmp_path, base)
    for name in ("model.json", "model.safetensors", "members.json"):
        (tmp_path / name).unlink()
    monkeypatch.setattr(TIGER, "training_step", None)
    assert finetune(tmp_path, base).fingerprint == expected.fingerprint


def test_fine_tuning_members_needs_pre_trained_weights(tmp_path):
    with pytest.raises(InputError, match="starts from a pre-trained model; set pretrain.enabled=true"):
        finetune(tmp_path, None)


def test_influence_reads_as_much_at_a_time_as_a_share_of_the_batch_and_refuses_a_precision_that_hides_its_steps():
    config = IdentifiersConfig(sampling=mixing.ESTIMATES)
    given = config, mixing.config().tiger, mixing.bank(), mixing.circle()
    whole = group_sampling(*given, TrainerConfig())
    parts = group_sampling(*given, TrainerConfig(accumulate=4))
    largest = [max(len(batch.targets) for _, batch in made._batches.validation()) for made in (whole, parts)]
    assert largest[0] > largest[1]
    assert largest[1] <= given[1].batch_size // 4
    with pytest.raises(InputError, match="trainer.precision=bf16-true rounds away the steps"):
        group_sampling(*given, TrainerConfig(precision="bf16-true"))


def test_a_bank_of_another_catalogue_is_refused(base, tmp_path):
    bank = mixing.bank()
    known = {"catalogue": fingerprint(list(mixing.circle().item_ids))}
    finetune(tmp_path / "same", base, TokenizerBank(bank.codes, bank.vocab, provenance=known), members=(0,))
    other = TokenizerBank(bank.codes, bank.vocab, provenance={"catalogue": "abc"})
    with pytest.raises(InputError, match="the bank was made for the catalogue abc, the data set's is"):
        finetune(tmp_path / "other", base, other)


def test_members_are_chosen_from_the_centre_or_by_number():
    bank = mixing.bank()
    assert IdentifiersConfig().chosen(bank).codes.tolist() == bank.codes[:1].tolist()
    assert IdentifiersConfig(use="mixed").chosen(bank).n_members == 3
    assert IdentifiersConfig(use="mixed", central=2).chosen(bank).codes.tolist() == bank.codes[:2].tolist()
    assert IdentifiersConfig(use="each", members=(2, 1)).chosen(bank).codes.tolist() == bank.codes[[2, 1]].tolist()
    with pytest.raises(InputError, match="cannot be taken of a bank of 3"):
        IdentifiersConfig(use="mixed", central=4).chosen(bank)


class Wall:
    """A tracker that keeps what it is shown."""

    def __init__(self, shows_figures: bool) -> None:
        self.shows_figures = shows_figures
        self.shown = []

    def figure(self, stage: str, name: str, file: Path) -> None:
        self.shown.append((stage, name, file.is_file()))


def test_draws_and_scores_are_shown_where_someone_looks(tmp_path):
    records = [{"epoch": 1, "p": [0.25, 0.75], "scores": [0.0, 1.0]}]
    wall, blind = Wall(True), Wall(False)
    for tracker in (wall, blind, None):
        track_groups(tracker, "pretrain", records, tmp_path)
    assert wall.shown == [("pretrain", "probabilities", True), ("pretrain", "scores", True)]
    assert blind.shown == []
    track_groups(wall, "pretrain", [], tmp_path)
    assert len(wall.shown) == 2


def test_wrong_choices_are_refused():
    with pytest.raises(ConfigError, match=r"central=2 and members=\[0\] both choose; drop one"):
        IdentifiersConfig(use="each", central=2, members=(0,))
    with pytest.raises(ConfigError, match="use='mix' is unknown; allowed: primary, mixed, each"):
        IdentifiersConfig(use="mix")
    with pytest.raises(ConfigError, match="identifiers.use=mixed needs method=tiger, not itemknn"):
        RecommendConfig(method="itemknn", identifiers=IdentifiersConfig(use="mixed"))


def test_one_identifier_per_item_names_the_results_it_named_before():
    assert fingerprint(RecommendConfig()) == "412b7a61c0"
    assert fingerprint(RecommendConfig(identifiers=IdentifiersConfig(central=3))) == "412b7a61c0"


def test_the_chain_runs_from_a_window_of_epochs_to_an_evaluated_model(toy_settings, tmp_path):
    tokenizer = toy_settings["tokenize"]["rqvae"] | {"patience": 0}
    tiger = toy_settings["finetune"]["tiger"] | {"epochs": 2}
    sampling = {"influence": "directional", "warmup_epochs": 1, "train_share": 1.0, "validation_share": 1.0}
    settings = toy_settings | {
        "out": str(tmp_path),
        "tokenize": {"members": 3, "rqvae": tokenizer},
        "pretrain": {"enabled": True, "tiger": tiger, "identifiers": {"use": "mixed", "sampling": sampling}},
        "finetune": {"tiger": tiger | {"epochs": 1}, "identifiers": {"use": "each", "central": 2}},
        "evaluate": toy_settings["evaluate"] | {"ensemble": True, "free_beam": "level"},
    }
    run = train(from_dict(PipelineConfig, settings))
    assert [row["gap"] for row in json.loads((run.folders["tokenize"] / "drift.json").read_text())] == [1]
    assert len(json.loads((run.folders["pretrain"] / "groups.json").read_text())[0]["p"]) == 3
    chosen = json.loads((run.folders["finetune"] / "members.json").read_text())
    assert [member["source"]["epoch"] for member in chosen["members"]] == [3, 4]
    rows = ["tiger", "tiger_ensemble", "popularity", "itemknn", "tiger_free_skipped", "tiger_free_kept"]
    assert set(run.evaluation.metrics) == set(rows)
    assert run.evaluation.metrics["tiger"]["recall@10"] > 0
