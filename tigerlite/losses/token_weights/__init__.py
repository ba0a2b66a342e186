"""Token weightings of generative training: how much each code of a target counts in its cross-entropy.

`MEMBERS` lists them. Four are tables of weights that depend on the target item alone (`fitted.py` keeps them); rank and
cft change the logits instead.
"""

from tigerlite.losses.token_weights.cft import CFTConfig
from tigerlite.losses.token_weights.frequency import FrequencyConfig
from tigerlite.losses.token_weights.front_greater import FrontGreaterConfig
from tigerlite.losses.token_weights.igd import IGDConfig
from tigerlite.losses.token_weights.position import PositionConfig
from tigerlite.losses.token_weights.rank import RankConfig

MEMBERS = {
    "front_greater": FrontGreaterConfig,
    "frequency": FrequencyConfig,
    "rank": RankConfig,
    "position": PositionConfig,
    "cft": CFTConfig,
    "igd": IGDConfig,
}
