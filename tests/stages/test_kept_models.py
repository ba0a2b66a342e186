"""Fine-tuning from several epochs of one pre-training: what is kept, what is trained, what is chosen."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.callbacks import test_group_sampling as mixing
from tests.stages.test_member_choice import finetune
from tigerlite.config import ConfigError, InputError, fingerprint, from_dict
from tigerlite.recommenders.tiger import TIGER
from tigerlite.recommenders.tiger_config import TIGERConfig
from tigerlite.stages.ensemble import member_ensemble
from tigerlite.stages.kept_models import KeptModels, kept_models
from tigerlite.stages.member_choice import IdentifiersConfig
from tigerlite.stages.pipeline import train
from tigerlite.stages.pipeline_config import PipelineConfig


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pretrained")
    settings = mixing.config()
    mixing.train(replace(settings, tiger=replace(settings.tiger, keep_epochs=(1, 3))), folder)
    return folder


def test_the_model_is_kept_as_it_was_after_the_named_epochs(pretrained):
    assert sorted(path.name for path in pretrained.glob("epoch-*")) == ["epoch-1", "epoch-3"]
    kept = kept_models(pretrained, (1, 3)).of_epoch
    state = torch.load(pretrained / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(state[f"t5.{name}"], value) for name, value in kept[3].t5.state_dict().items())
    assert kept[1].fingerprint != kept[3].fingerprint
    assert kept[1].bank.n_members == 3


def test_keeping_epochs_changes_no_weights(pretrained, tmp_path):
    assert mixing.train(mixing.config(), tmp_path).fingerprint == TIGER.load(pretrained).fingerprint


def test_every_member_is_trained_from_every_start_and_the_best_is_the_result(pretrained, tmp_path):
    starts = kept_models(pretrained, (3, 1))
    model = finetune(tmp_path, starts, members=(0, 2))
    found = json.loads((tmp_path / "members.json").read_text())
    assert [(entry["start_epoch"], entry["member"]) for entry in found["members"]] == [(3, 0), (3, 1), (1, 0), (1, 1)]
    scores = [entry["ndcg@10"] for entry in found["members"]]
    assert scores[found["chosen"]] == max(scores)
    best = found["members"][found["chosen"]]
    assert TIGER.load(tmp_path / best["folder"]).fingerprint == model.fingerprint
    alone = finetune(tmp_path / "alone", starts.of_epoch[1], members=(2,))
    assert alone.fingerprint == TIGER.load(tmp_path / "member-1-epoch-1").fingerprint


def test_an_ensemble_takes_the_best_start_of_every_member(pretrained, tmp_path):
    model = finetune(tmp_path, kept_models(pretrained, (3, 1)), members=(0, 2))
    found = json.loads((tmp_path / "members.json").read_text())
    for number, score in enumerate([0.1, 0.4, 0.3, 0.2]):
        found["members"][number]["ndcg@10"] = score
    (tmp_path / "members.json").write_text(json.dumps(found))
    expected = [TIGER.load(tmp_path / name).fingerprint for name in ("member-0-epoch-1", "member-1-epoch-3")]
    assert [part.fingerprint for part in member_ensemble(model, tmp_path).models] == expected


def test_an_epoch_that_training_did_not_reach_is_one_line(pretrained):
    with pytest.raises(InputError, match=r"holds no model after epoch 2, which identifiers.start_epochs=\[1, 2\] asks"):
        kept_models(pretrained, (1, 2))


def test_starts_are_told_apart_by_their_weights_and_epochs(pretrained):
    kept = kept_models(pretrained, (1, 3))
    swapped = KeptModels({1: kept.of_epoch[3], 3: kept.of_epoch[1]})
    assert kept.fingerprint == kept_models(pretrained, (1, 3)).fingerprint != swapped.fingerprint


def test_wrong_epochs_are_refused():
    with pytest.raises(ConfigError, match="keep_epochs=9 is out of range; allowed: epochs from 1 to epochs=8"):
        TIGERConfig(epochs=8, keep_epochs=(4, 9))
    with pytest.raises(ConfigError, match=r"start_epochs=\[3\] is for use=each, not mixed; drop it"):
        IdentifiersConfig(use="mixed", start_epochs=(3,))
    wanted = {"identifiers": {"use": "each", "start_epochs": [4, 5]}}
    kept = {"enabled": True, "tiger": {"keep_epochs": [4]}}
    for pretrain in (kept, {"enabled": False, "tiger": {"keep_epochs": [4, 5]}}):
        with pytest.raises(ConfigError, match=r"which pre-training does not keep; set pretrain.enabled=true and"):
            from_dict(PipelineConfig, {"pretrain": pretrain, "finetune": wanted})


def test_a_training_that_keeps_nothing_has_the_name_it_had():
    assert fingerprint(TIGERConfig()) != fingerprint(TIGERConfig(keep_epochs=(2,)))
    assert "keep_epochs" in TIGERConfig().unused


def test_the_chain_fine_tunes_from_kept_epochs(toy_settings, tmp_path):
    tiger = toy_settings["finetune"]["tiger"] | {"epochs": 2}
    settings = toy_settings | {
        "out": str(tmp_path),
        "until": "finetune",
        "tokenize": {"members": 2, "rqvae": toy_settings["tokenize"]["rqvae"] | {"patience": 0}},
        "pretrain": {"enabled": True, "tiger": tiger | {"keep_epochs": [1, 2]}, "identifiers": {"use": "mixed"}},
        "finetune": {"tiger": tiger | {"epochs": 1}, "identifiers": {"use": "each", "start_epochs": [1, 2]}},
    }
    run = train(from_dict(PipelineConfig, settings))
    found = json.loads((run.folders["finetune"] / "members.json").read_text())["members"]
    assert [(entry["member"], entry["start_epoch"]) for entry in found] == [(0, 1), (1, 1), (0, 2), (1, 2)]
