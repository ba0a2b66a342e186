"""Objectives in the chain of stages: imported identifiers get embeddings for their weights, real data the known spread."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tigerlite.command_line import parse
from tigerlite.config import InputError, from_dict
from tigerlite.evaluation.curves import alphas, read_curves
from tigerlite.evaluation.weight_profile import read_weights
from tigerlite.losses.token_weights.fitted import TokenWeights, spread
from tigerlite.losses.token_weights.frequency import code_counts, frequency_weights
from tigerlite.stages import prepare
from tigerlite.stages.objective import target_counts
from tigerlite.stages.pipeline import train
from tigerlite.stages.pipeline_config import PipelineConfig
from tigerlite.studies.plan import plan, read_study

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
OBJECTIVE = {
    "method": "multi_target",
    "frequency": {"beta": None, "normalise": "corpus"},
    "curriculum": {"schedule": "exponential"},
}


def test_imported_identifiers_are_weighted_by_embeddings_of_the_texts(toy_settings, tmp_path):
    index = tmp_path / "index.json"
    index.write_text(json.dumps({f"f{film:02d}": [f"<a_{film // 12}>", f"<b_{film % 12}>"] for film in range(60)}))
    toy_settings["tokenize"] = {"method": "imported", "imported": {"file": str(index)}}
    toy_settings["finetune"]["tiger"]["epochs"] = 1
    toy_settings["finetune"]["objective"] = OBJECTIVE
    config = replace(from_dict(PipelineConfig, toy_settings), out=tmp_path / "out")
    run = train(config)
    weights = TokenWeights.load(run.folders["finetune"], run.bank.fingerprint)
    # The first code is the genre, the second the part; parts are twelve, genres five: they say more.
    assert weights.statistics["front_greater"]["gain"][1] > weights.statistics["front_greater"]["gain"][0] > 0
    mixed = alphas(read_curves(run.folders["finetune"]))
    assert set(mixed) == {"front_greater", "frequency", "original"}
    assert mixed["frequency"].values[0] == 0
    assert (np.diff(mixed["frequency"].values) >= 0).all()
    assert mixed["frequency"].values[-1] > 0.5
    # Its weights serve another run, whose folder is named by what is in them; other identifiers refuse them.
    toy_settings["finetune"]["objective"] = OBJECTIVE | {"weights": str(run.folders["finetune"])}
    again = train(replace(from_dict(PipelineConfig, toy_settings), out=tmp_path / "out"))
    assert again.folders["finetune"] != run.folders["finetune"]
    kept = [TokenWeights.read(found.folders["finetune"]).fingerprint for found in (run, again)]
    assert kept[0] == kept[1]
    index.write_text(json.dumps({f"f{film:02d}": [f"<a_{film % 12}>", f"<b_{film // 12}>"] for film in range(60)}))
    with pytest.raises(InputError, match="were fitted on identifiers"):
        train(replace(from_dict(PipelineConfig, toy_settings), out=tmp_path / "out"))
    # The same identifiers without such weights need no embeddings.
    plain = from_dict(PipelineConfig, toy_settings | {"finetune": {"objective": {"method": "rank"}}})
    assert config.needs_embeddings
    assert not plain.needs_embeddings


def test_segments_of_a_product_quantiser_are_weighted_too(toy_settings, tmp_path):
    toy_settings["tokenize"] = {
        "method": "pq",
        "collisions": "first_free",
        "pq": {"codebook_sizes": [8, 8], "whiten": 8},
    }
    toy_settings["finetune"] |= {"objective": OBJECTIVE}
    toy_settings["finetune"]["tiger"]["epochs"] = 1
    run = train(replace(from_dict(PipelineConfig, toy_settings), out=tmp_path / "out"))
    weights = TokenWeights.load(run.folders["finetune"], run.bank.fingerprint)
    assert weights.tables["frequency"].shape == (61, run.bank.n_levels)
    assert (weights.tables["front_greater"] > 0).all()
    assert run.evaluation.metrics["tiger"]["recall@10"] > 0


def test_training_on_many_identifiers_is_weighted_and_so_is_what_follows_it(toy_settings, tmp_path):
    toy_settings["tokenize"]["members"] = 3
    toy_settings["tokenize"]["rqvae"]["patience"] = 0
    tiger = toy_settings["finetune"]["tiger"] | {"epochs": 1}
    toy_settings["finetune"] = {"tiger": tiger, "objective": OBJECTIVE}
    toy_settings["pretrain"] = {
        "enabled": True,
        "tiger": tiger,
        "objective": OBJECTIVE,
        "identifiers": {"use": "mixed"},
    }
    run = train(replace(from_dict(PipelineConfig, toy_settings), out=tmp_path / "out"))
    for stage, n_members in (("pretrain", 3), ("finetune", 1)):
        assert len(TokenWeights.read(run.folders[stage]).tables["frequency"]) == n_members * 61
        profile = read_weights(run.folders[stage], 60)["frequency"]
        assert len(profile) == n_members * 60
        assert (profile > 0).all()
        assert set(alphas(read_curves(run.folders[stage]))) == {"front_greater", "frequency", "original"}


def test_a_studys_key_counts_the_embeddings_that_weights_are_fitted_from(tmp_path, monkeypatch):
    monkeypatch.setattr("tigerlite.studies.plan.prepare.inputs_fingerprint", lambda config: "not read here")
    study = read_study(CONFIGS / "studies" / "token_weighting.yaml")
    keys = []
    for number in (0, 1):
        file = tmp_path / "rows.npy"
        file.write_bytes(bytes([number]))
        flags = ["--encode.method=file", f"--encode.file.path={file}", "--tokenize.collisions=random_free"]
        keys.append({job.row: job.key for job in plan(study, "yelp_letter", flags) if job.seed == 0})
    changed = {row for row in keys[0] if keys[0][row] != keys[1][row]}
    curricula = {"curriculum_paper", "curriculum_released", "curriculum_recommended"}
    assert changed == {"front_greater", "frequency", "multi_target"} | curricula


MEASURED = [
    (0.9, 0.015, 0.001),
    (0.99, 0.085, 0.062),
    (0.997, 0.246, 0.55),
    (0.999, 0.451, 0.82),
    (0.9999, 0.661, 0.91),
]
"""beta, standard deviation of the weights, share of tokens whose weight is off 1 by more than .1."""


def test_frequency_weights_of_published_identifiers_spread_as_measured(test_data, tmp_path):
    """On Instruments with LETTER's codes, .9 (the released code) is plain cross-entropy and .99 (the paper) nearly so."""
    flags = [
        f"--config={CONFIGS / 'datasets' / 'instruments_letter.yaml'}",
        f"--prepare.folder={test_data / 'instruments'}",
    ]
    config = parse(PipelineConfig, flags, program="test").prepare
    dataset = prepare.run(config, prepare.source(config, None), out=tmp_path)
    codes = torch.from_numpy(dataset.identifiers).long()
    targets = target_counts(dataset)
    counts = code_counts(codes[1:], targets[1:])
    for beta, std, beyond_10 in MEASURED:
        weights = frequency_weights(counts, beta, normalise="sequence", targets=targets[1:])
        found = spread(torch.nn.functional.pad(weights, (0, 0, 1, 0)), targets)
        assert found.std == pytest.approx(std, rel=0.1, abs=0.002)
        assert found.beyond_10 == pytest.approx(beyond_10, abs=0.01)
