"""Settings of TIGER that contradict each other or are out of range are refused in one line."""

import pytest

from tigerlite.config import ConfigError
from tigerlite.recommenders.tiger_config import TIGERConfig


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs=0 is out of range"),
        ({"eos": True}, "eos=True is out of range; allowed: false with head=level; set head=vocabulary"),
        ({"head": "levels"}, "did you mean 'level'"),
        ({"valid_beams": 5}, "an integer >= 10"),
    ],
)
def test_out_of_range_settings_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        TIGERConfig(**changes)
