"""What a next-item recommender refuses to be told, and what names its results."""

import pytest

from tigerlite.config import ConfigError, fingerprint, from_dict
from tigerlite.recommenders.baselines import NETWORKS
from tigerlite.recommenders.baselines.gru4rec import GRU4RecConfig
from tigerlite.recommenders.nextitem_config import NextItemConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "sasrek"}, "network='sasrek' is unknown; allowed: sasrec, gru4rec; did you mean 'sasrec'?"),
        ({"loss": "cse"}, "loss='cse' is unknown; allowed: ce, sampled_ce, bce, gbce"),
        ({"n_negatives": 0}, "n_negatives=0 is out of range; allowed: an integer >= 1"),
        ({"gbce_t": 1.5}, r"gbce_t=1.5 is out of range; allowed: a number in \[0, 1\]"),
        ({"loss": "bce", "label_smoothing": 0.1}, "label_smoothing=0.1 .* allowed: 0 with loss=bce; set loss=ce"),
        ({"sasrec": {"dropout": 1}}, r"sasrec\.dropout=1 is out of range"),
        ({"max_history": 0}, "max_history=0 is out of range"),
        ({"batch_size": 0}, "batch_size=0 is out of range"),
    ],
)
def test_out_of_range_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(NextItemConfig, settings)


def test_every_network_has_its_section():
    sections = [NextItemConfig(network=name).section for name in NETWORKS]
    assert len({type(section) for section in sections}) == len(NETWORKS)


def test_the_section_of_a_network_that_is_not_chosen_changes_no_name():
    plain = fingerprint(NextItemConfig())
    assert fingerprint(NextItemConfig(gru4rec=GRU4RecConfig(hidden=7))) == plain
    assert fingerprint(NextItemConfig(network="gru4rec")) != plain
