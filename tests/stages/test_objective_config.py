"""Objectives are named by what they read, and refuse settings that contradict each other."""

from dataclasses import replace
from pathlib import Path

import pytest

from tigerlite.callbacks.curriculum import CurriculumConfig
from tigerlite.config import ConfigError, fingerprint
from tigerlite.losses.mixing import TARGETS, MultiTargetConfig
from tigerlite.losses.token_weights.frequency import FrequencyConfig
from tigerlite.losses.token_weights.front_greater import FrontGreaterConfig
from tigerlite.losses.token_weights.igd import IGDConfig
from tigerlite.losses.token_weights.position import PositionConfig
from tigerlite.recommenders.tiger import TIGERConfig
from tigerlite.stages.objective_config import ObjectiveConfig
from tigerlite.stages.recommend_config import RecommendConfig

CURRICULUM = CurriculumConfig(schedule="exponential", kappa=3.0)
FULL = ObjectiveConfig(method="multi_target", curriculum=CURRICULUM)


def test_sections_that_a_method_does_not_read_name_no_other_result():
    position = ObjectiveConfig(method="position")
    assert fingerprint(replace(position, igd=IGDConfig(beta=0.5))) == fingerprint(position)
    assert fingerprint(replace(position, position=PositionConfig(beta=0.5))) != fingerprint(position)
    assert fingerprint(replace(FULL, position=PositionConfig(beta=0.5))) == fingerprint(FULL)
    assert fingerprint(replace(FULL, curriculum=replace(CURRICULUM, c=1.0))) == fingerprint(FULL)
    assert fingerprint(replace(FULL, curriculum=replace(CURRICULUM, kappa=1.0))) != fingerprint(FULL)
    only_original_and_frequency = replace(FULL, multi_target=MultiTargetConfig(targets=("frequency", "original")))
    other = replace(only_original_and_frequency, front_greater=FrontGreaterConfig(form="log1p"))
    assert fingerprint(other) == fingerprint(only_original_and_frequency)


def test_what_only_fitting_reads_names_nothing_where_weights_are_given():
    given = replace(FULL, weights=Path("runs/a"))
    assert fingerprint(replace(given, frequency=FrequencyConfig(beta=0.5), eos_weight=2.0)) == fingerprint(given)
    assert fingerprint(replace(given, multi_target=MultiTargetConfig(lr=0.5))) != fingerprint(given)
    assert len({fingerprint(config) for config in (FULL, given, replace(given, weights=Path("runs/b")))}) == 3
    igd = ObjectiveConfig(method="igd", weights=Path("runs/a"))
    assert fingerprint(replace(igd, igd=IGDConfig(alpha=0.4))) != fingerprint(igd)  # a setting of decoding
    assert FULL.needs_embeddings
    assert not given.needs_embeddings


def linear(targets: tuple[str, ...] = TARGETS, **changes) -> ObjectiveConfig:
    curriculum = CurriculumConfig(schedule="linear", **changes)
    return ObjectiveConfig(
        method="multi_target", multi_target=MultiTargetConfig(targets=targets), curriculum=curriculum
    )


@pytest.mark.parametrize(
    ("targets", "changes", "named"),
    [
        (TARGETS, {}, "original_rate=1e-05"),
        (TARGETS, {"original_rate": 2.0}, "frequency_rate=4e-06"),
        (("frequency", "original"), {}, "frequency_rate=4e-06"),
    ],
)
def test_a_linear_schedule_that_would_stand_still_is_refused(targets, changes, named):
    with pytest.raises(ConfigError, match=f"curriculum.{named} with unit=fraction is the rise over the whole training"):
        linear(targets, **changes)


def test_rates_of_a_linear_schedule_are_per_unit_and_only_those_that_are_read_count():
    linear(unit="steps")
    linear(original_rate=2.0, frequency_rate=0.8)
    linear(original_rate=2.0, frequency_rate=0.0)
    linear(("front_greater", "original"), original_rate=2.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "front_grater"}, "did you mean 'front_greater'"),
        ({"eos_weight": -1.0}, "eos_weight=-1.0 is out of range"),
        ({"method": "rank", "weights": Path("x")}, "objective.weights is set, but method=rank reads no fitted weights"),
        ({"weights": Path("x")}, "method=plain reads no fitted weights; drop one"),
        (
            {
                "method": "multi_target",
                "multi_target": MultiTargetConfig(targets=("front_greater", "original")),
                "curriculum": CURRICULUM,
            },
            "curriculum.schedule=exponential moves weight to or from frequency, which multi_target.targets=",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        ObjectiveConfig(**changes)


def test_a_counterfactual_needs_something_to_read():
    with pytest.raises(ConfigError, match="objective.method=cft reads an empty history, which needs tiger.user_token"):
        RecommendConfig(tiger=TIGERConfig(user_token=False), objective=ObjectiveConfig(method="cft"))
