"""What a next-item recommender refuses to be told, and what names its results."""

import pytest

from tigerlite.config import ConfigError, fingerprint, from_dict
from tigerlite.data.item_features import FeaturesConfig
from tigerlite.recommenders.baselines import NETWORKS
from tigerlite.recommenders.baselines.gru4rec import GRU4RecConfig
from tigerlite.recommenders.nextitem_config import NextItemConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"network": "sasrek"},
            "network='sasrek' is unknown; allowed: sasrec, gru4rec, .*, s3rec; did you mean 'sasrec'?",
        ),
        ({"loss": "cse"}, "loss='cse' is unknown; allowed: ce, sampled_ce, bce, gbce"),
        ({"n_negatives": 0}, "n_negatives=0 is out of range; allowed: an integer >= 1"),
        ({"gbce_t": 1.5}, r"gbce_t=1.5 is out of range; allowed: a number in \[0, 1\]"),
        ({"loss": "bce", "label_smoothing": 0.1}, "label_smoothing=0.1 .* allowed: 0 with loss=bce; set loss=ce"),
        ({"sasrec": {"dropout": 1}}, r"sasrec\.dropout=1.0 is out of range"),
        ({"max_history": 0}, "max_history=0 is out of range"),
        (
            {"network": "caser", "max_history": 4},
            "caser.window=5 is out of range; allowed: at most max_history=4, the items",
        ),
        ({"network": "hgn", "hgn": {"window": 51}}, "hgn.window=51 is out of range; allowed: at most max_history=50"),
        (
            {"objective": "self_supervised"},
            "objective='self_supervised' .* next_item with network=sasrec; set network=s3rec",
        ),
        ({"objective": "masked"}, "objective='masked' is unknown; allowed: next_item, self_supervised"),
        ({"features": {"max_share": 0}}, r"features\.max_share=0.0 is out of range"),
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


def test_features_and_objectives_change_the_name_of_those_alone_who_read_them():
    def names(**settings) -> set[str]:
        return {fingerprint(NextItemConfig(features=FeaturesConfig(min_count=count), **settings)) for count in (1, 2)}

    assert len(names()) == len(names(network="s3rec")) == 1
    assert len(names(network="fdsa")) == len(names(network="s3rec", objective="self_supervised")) == 2
    assert not names(network="s3rec") & names(network="s3rec", objective="self_supervised")


def test_the_names_of_what_earlier_versions_trained_still_hold():
    assert fingerprint(NextItemConfig()) == "d213ce26ba"
    assert fingerprint(NextItemConfig(network="gru4rec")) == "68506cfbbf"
