"""What UniGRec's settings refuse, and what names no other result."""

from dataclasses import replace
from pathlib import Path

import pytest

from tigerlite.config import ConfigError, fingerprint
from tigerlite.recommenders.tiger_config import TIGERConfig
from tigerlite.recommenders.unigrec_config import UniGRecConfig
from tigerlite.stages.objective_config import ObjectiveConfig
from tigerlite.stages.recommend_config import RecommendConfig


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer_lr": 0.0}, "tokenizer_lr=0.0 is out of range"),
        ({"recommender_distillation_tau": 0.0}, "recommender_distillation_tau=0.0 is out of range"),
        ({"uniformity_weight": -1.0}, "uniformity_weight=-1.0 is out of range"),
        ({"distillation_start": -1}, "distillation_start=-1 is out of range"),
        ({"hysteresis": 0.5}, "hysteresis=0.5 is out of range; allowed: a number >= 1"),
        ({"rebuild_every": 0}, "rebuild_every=0 is out of range"),
        ({"digits": 0}, "digits=0 is out of range"),
        ({"order": "alphabetical"}, "allowed: ids, prepared"),
        ({"distillation": "realeased"}, "did you mean 'released'"),
    ],
)
def test_values_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        UniGRecConfig(**changes)


@pytest.mark.parametrize(
    ("tiger", "unigrec", "message"),
    [
        ({"eos": True, "head": "vocabulary"}, {}, "set tiger.eos=false"),
        ({"head": "vocabulary"}, {"soft_targets": True}, "set tiger.head=level, not vocabulary"),
        ({"label_smoothing": 0.1}, {"soft_targets": True}, "set tiger.label_smoothing=0"),
        ({"head": "trie", "scoring": "trie"}, {}, "unigrec.train_tokenizer=false"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(tiger, unigrec, message):
    with pytest.raises(ConfigError, match=message):
        RecommendConfig(method="unigrec", tiger=TIGERConfig(**tiger), unigrec=UniGRecConfig(**unigrec))


def test_decoding_is_not_calibrated_on_identifiers_that_move():
    with pytest.raises(ConfigError, match="objective.method=igd calibrates decoding on fixed identifiers"):
        RecommendConfig(method="unigrec", objective=ObjectiveConfig(method="igd"))


def test_what_is_not_read_names_no_other_result():
    joint = UniGRecConfig()
    assert fingerprint(replace(joint, file=Path("a.npy"))) == fingerprint(joint)
    frozen = replace(joint, train_tokenizer=False)
    assert fingerprint(replace(frozen, tokenizer_lr=1.0, hysteresis=9.0)) == fingerprint(frozen)
    assert fingerprint(replace(joint, tokenizer_lr=1.0)) != fingerprint(joint)
    before = replace(joint, tokenizer_distillation_tau=0.0, tokenizer_lr=1e-5)
    assert fingerprint(before) == "311149e498"  # as before there was a choice
    released = replace(joint, distillation="released")
    assert fingerprint(released) != fingerprint(joint)
    assert fingerprint(replace(released, tokenizer_distillation_tau=0.5)) == fingerprint(released)
    off = {"tokenizer_distillation_weight": 0.0, "recommender_distillation_weight": 0.0}
    assert fingerprint(replace(released, **off)) == fingerprint(replace(joint, **off))
    tiger = RecommendConfig()
    assert fingerprint(replace(tiger, unigrec=replace(joint, digits=7))) == fingerprint(tiger) == "412b7a61c0"


def test_the_network_of_tiger_is_unigrecs():
    config = RecommendConfig(method="unigrec")
    assert "tiger" not in config.unused
    assert fingerprint(replace(config, tiger=TIGERConfig(epochs=3))) != fingerprint(config)
