"""The stage that fits a temperature: what it writes, who is served, who is left alone, and that it costs no training."""

import copy
import json
from dataclasses import replace

import pytest
import torch

from tests.callbacks import test_group_sampling as mixing
from tests.stages.test_pipeline import config_for
from tigerlite.config import ConfigError, InputError, from_dict, to_dict
from tigerlite.recommenders.temperature import apply_temperature
from tigerlite.recommenders.tiger import TIGER
from tigerlite.serving.predictor import Predictor
from tigerlite.stages import calibrate
from tigerlite.stages.calibrate import FOUND, CalibrateConfig
from tigerlite.stages.pipeline import train
from tigerlite.stages.pipeline_config import PipelineConfig


def test_the_calibrated_model_is_evaluated_and_served_and_training_is_shared(toy_settings, tmp_path):
    toy_settings["calibrate"] = {"enabled": False}
    plain = train(config_for(toy_settings, tmp_path))
    toy_settings["calibrate"] = {"sharpen": True}  # two epochs leave it not sure enough
    run = train(config_for(toy_settings, tmp_path))
    assert run.folders["finetune"] == plain.folders["finetune"]
    assert run.folders["evaluate"] != plain.folders["evaluate"]
    found = json.loads((run.folders["calibrate"] / FOUND).read_text())
    assert found["loss_after"] < found["loss_before"]
    assert found["n_targets"] == len(run.dataset.validation)
    by_hand = copy.deepcopy(plain.model)
    apply_temperature(by_hand, found["temperature"])
    assert run.model.fingerprint == by_hand.fingerprint
    assert Predictor.load(tmp_path).model.fingerprint == run.model.fingerprint
    assert run.evaluation.metrics["itemknn"] == plain.evaluation.metrics["itemknn"]
    del toy_settings["calibrate"]
    by_default = train(config_for(toy_settings, tmp_path))
    assert json.loads((by_default.folders["calibrate"] / FOUND).read_text())["temperature"] == 1.0
    assert by_default.model.fingerprint == plain.model.fingerprint
    assert Predictor.load(tmp_path).model.fingerprint == plain.model.fingerprint


def test_models_that_score_whole_items_are_left_alone(toy_settings, tmp_path):
    toy_settings["finetune"] = {"method": "itemknn"}
    run = train(config_for(toy_settings, tmp_path))
    toy_settings["calibrate"] = {"enabled": False}
    assert train(config_for(toy_settings, tmp_path)).folders == run.folders
    assert "calibrate" not in run.folders


def test_an_ensemble_is_ranked_as_it_was_trained():
    settings = {"finetune": {"identifiers": {"use": "mixed"}}}
    assert from_dict(PipelineConfig, settings).calibrates
    assert not from_dict(PipelineConfig, settings | {"evaluate": {"ensemble": True}}).calibrates


def test_a_share_of_the_validation_users_is_enough(tmp_path):
    torch.manual_seed(0)
    model = TIGER(to_dict(mixing.config().tiger), mixing.bank(1)).eval()
    before = model.fingerprint
    calibrate.run(CalibrateConfig(n_users=7, sharpen=True), mixing.circle(), model, out=tmp_path)
    assert json.loads((tmp_path / FOUND).read_text())["n_targets"] == 7
    assert model.fingerprint == before != calibrate.load(tmp_path).fingerprint


def test_what_makes_no_sense_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="n_users=0"):
        CalibrateConfig(n_users=0)
    data = replace(mixing.circle(), validation=mixing.circle().validation[:0])
    with pytest.raises(InputError, match="there are none; set calibrate.enabled=false"):
        calibrate.run(CalibrateConfig(), data, TIGER(to_dict(mixing.config().tiger), mixing.bank(1)), out=tmp_path)
