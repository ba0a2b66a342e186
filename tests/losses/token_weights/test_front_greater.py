"""Front-Greater weights: the paper's lemma on random refinements, the authors' numbers, and a slow twin."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.token_weights import mean_dispersion
from tigerlite.config import ConfigError, InputError
from tigerlite.losses.token_weights.front_greater import (
    Disambiguation,
    FrontGreaterConfig,
    disambiguation,
    front_greater_weights,
)

GAINS = {
    "music rq": ([20.999, 9.038, 6.326, 4.012], [1.374, 1.025, 0.885, 0.716], [2.080, 0.895, 0.627, 0.398]),
    "music pq": ([7.220, 25.407, 7.437, 0.374], [1.076, 1.672, 1.089, 0.162], [0.714, 2.513, 0.736, 0.037]),
    "industrial": ([23.559, 11.152, 5.342, 0.742], [1.581, 1.233, 0.912, 0.274], [2.310, 1.093, 0.524, 0.073]),
    "yelp rq": ([8.580, 13.306, 4.458, 0.428], [1.296, 1.526, 0.973, 0.205], [1.282, 1.988, 0.666, 0.064]),
    "yelp pq": ([3.734, 17.847, 4.796, 0.405], [0.944, 1.783, 1.067, 0.206], [0.558, 2.666, 0.716, 0.060]),
    "ml rq": ([10.019, 11.564, 0.930, 0.066], [1.698, 1.791, 0.465, 0.045], [1.775, 2.049, 0.165, 0.012]),
    "ml pq": ([2.450, 16.965, 3.017, 0.147], [0.876, 2.043, 0.984, 0.097], [0.434, 3.006, 0.534, 0.026]),
}
"""Gains in the authors' code, and the weights that follow as it forms them and as the paper does."""


@st.composite
def catalogues(draw):
    """Codes (N, L) and embeddings (N, D)."""
    n_items, n_levels = draw(st.integers(2, 12)), draw(st.integers(1, 4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    codes = torch.randint(0, draw(st.integers(1, 4)), (n_items, n_levels), generator=generator)
    return codes, torch.randn(n_items, draw(st.integers(1, 5)), generator=generator)


@given(catalogues(), st.booleans())
def test_no_code_adds_dispersion_when_distances_are_squared(catalogue, popular):
    codes, embeddings = catalogue
    shares = torch.arange(len(codes)) % 3 + 0.5 if popular else None
    assert (disambiguation(codes, embeddings, shares=shares).gain >= -1e-12).all()


@given(catalogues(), st.sampled_from(["squared", "distance"]))
def test_dispersions_are_those_of_the_definition(catalogue, dispersion):
    codes, embeddings = catalogue
    found = disambiguation(codes, embeddings, dispersion=dispersion).dispersion
    paths, points = [tuple(path) for path in codes.tolist()], embeddings.double().tolist()
    slow = [mean_dispersion(paths, points, depth, dispersion == "squared") for depth in range(codes.shape[1] + 1)]
    torch.testing.assert_close(found, torch.tensor(slow, dtype=torch.float64))


def test_an_item_of_share_two_counts_like_two_items():
    codes, points = torch.tensor([[0, 0], [0, 1], [1, 0]]), torch.tensor([[0.0], [3.0], [9.0]])
    twice = torch.tensor([0, 0, 1, 2])
    shared = disambiguation(codes, points, shares=torch.tensor([2, 1, 1]))
    torch.testing.assert_close(shared.dispersion, disambiguation(codes[twice], points[twice]).dispersion)


@pytest.mark.parametrize("name", GAINS)
def test_weights_of_the_authors_gains_are_theirs(name):
    gain, log1p, linear = GAINS[name]
    found = Disambiguation(torch.tensor([sum(gain)]), torch.tensor(gain))
    torch.testing.assert_close(front_greater_weights(found, form="log1p"), torch.tensor(log1p), atol=1e-3, rtol=0)
    torch.testing.assert_close(front_greater_weights(found), torch.tensor(linear), atol=1e-3, rtol=0)


def test_the_power_form_joins_gain_and_uniform_and_forgets_the_scale():
    found = Disambiguation(torch.tensor([10.0]), torch.tensor([6.0, 3.0, 1.0, 0.0]))
    torch.testing.assert_close(front_greater_weights(found, form="power", gamma=1.0), front_greater_weights(found))
    flat = front_greater_weights(found, form="power", gamma=1e-6)
    torch.testing.assert_close(flat, torch.tensor([4 / 3, 4 / 3, 4 / 3, 0.0]), atol=1e-4, rtol=0)
    scaled = Disambiguation(found.dispersion * 7, found.gain * 7)
    for form in ("gain", "power"):
        torch.testing.assert_close(
            front_greater_weights(scaled, form=form, gamma=0.5), front_greater_weights(found, form=form, gamma=0.5)
        )


def test_log1p_on_a_stated_scale_forgets_that_of_the_embeddings():
    gain, log1p, _ = GAINS["yelp rq"]
    for scale in (1.0, 1 / 30, 7.0):
        found = Disambiguation(torch.tensor([sum(gain) * scale]), torch.tensor(gain) * scale)
        weights = front_greater_weights(found, form="log1p", mu_0=sum(gain))
        torch.testing.assert_close(weights, torch.tensor(log1p), atol=1e-3, rtol=0)


def test_embeddings_that_are_all_equal_are_refused():
    found = disambiguation(torch.tensor([[0], [1]]), torch.ones(2, 3))
    with pytest.raises(InputError, match="no code of any level tells items apart"):
        front_greater_weights(found)


def test_codes_and_embeddings_of_different_catalogues_are_refused():
    with pytest.raises(InputError, match="2 items have codes but 3 have embeddings"):
        disambiguation(torch.tensor([[0], [1]]), torch.ones(3, 3))


def test_items_without_any_weight_are_refused():
    with pytest.raises(InputError, match="no item has a weight"):
        disambiguation(torch.tensor([[0], [1]]), torch.ones(2, 3), shares=torch.zeros(2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dispersion": "square"}, "did you mean 'squared'"),
        ({"form": "log"}, "form='log' is unknown; allowed: gain, log1p, power"),
        ({"items": "popular"}, "did you mean 'popularity'"),
        ({"gamma": 0.0}, "gamma=0.0 is out of range; allowed: a number > 0"),
        ({"mu_0": -1.0}, "mu_0=-1.0 is out of range; allowed: a number >= 0"),
        ({"mu_0": 2.0}, "mu_0=2.0 sets a scale, which form=gain does not depend on; set form=log1p"),
        ({"whiten": -1}, "whiten=-1 is out of range"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        FrontGreaterConfig(**changes)
