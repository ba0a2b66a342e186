"""Front-Greater token weights: a level weighs by how much its code narrows down what the item is (arXiv 2601.17787, 4.1.1).

Items that share their first k codes form a group; mu_k is the mean dispersion of an item's group around its centroid and
delta_k = mu_(k-1) - mu_k what code k adds. The weights are w_k ~ max(delta_k, 0) with mean 1 over the levels. For squared
distances delta_k >= 0 (Lemma 4.1); the authors' code takes the distances themselves, for which it need not be, and
weights ~ log(1 + delta_k), which depends on the scale of the embeddings. Their gains are constants per data set; here
they are computed from embeddings and codes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tigerlite.config import ConfigError, InputError, check, check_choice

DISPERSIONS = ("squared", "distance")
FORMS = ("gain", "log1p", "power")
ITEM_SHARES = ("uniform", "popularity")
_ROWS = 65_536
"""Items whose deviations are in memory at a time."""


@dataclass(frozen=True, kw_only=True)
class FrontGreaterConfig:
    """How the weights of the levels follow from embeddings and codes."""

    dispersion: str = "squared"
    """squared (mean squared distance to the centroid, the paper) or distance (not squared, the authors' code)."""
    form: str = "gain"
    """Weights ~ gain: delta (the paper); log1p: log(1 + delta) (the authors' code); power: (delta / mu_0) ** gamma."""
    mu_0: float = 0.0
    """Of form=log1p: gains are scaled until the dispersion of all items is this; 0 = on the scale that the embeddings have.
    26.8 is that of Yelp in the authors' embeddings; with embeddings of unit length log(1 + delta) is nearly delta."""
    gamma: float = 0.5
    """Exponent of form=power: 1 = gain, towards 0 = uniform over the levels with a gain."""
    items: str = "uniform"
    """uniform (all items alike, the paper) or popularity (by how often an item is a training target)."""
    whiten: int = 0
    """Principal directions of the embeddings kept and whitened first; 0 = the embeddings as they are (the paper)."""

    def __post_init__(self) -> None:
        check_choice("dispersion", self.dispersion, DISPERSIONS)
        check_choice("form", self.form, FORMS)
        check_choice("items", self.items, ITEM_SHARES)
        check(self.mu_0 >= 0, "mu_0", self.mu_0, "a number >= 0")
        if self.mu_0 and self.form != "log1p":
            raise ConfigError(
                f"mu_0={self.mu_0} sets a scale, which form={self.form} does not depend on; set form=log1p"
            )
        check(self.gamma > 0, "gamma", self.gamma, "a number > 0")
        check(self.whiten >= 0, "whiten", self.whiten, "an integer >= 0")


@dataclass(frozen=True)
class Disambiguation:
    """What each code adds to knowing the item, float64."""

    dispersion: Tensor
    """mu_0..mu_L, (L + 1,)."""
    gain: Tensor
    """delta_1..delta_L, (L,)."""


def disambiguation(
    codes: Tensor, embeddings: Tensor, *, dispersion: str = "squared", shares: Tensor | None = None
) -> Disambiguation:
    """Mean dispersion within the groups of equal prefixes, and what it loses from level to level; O(N D L).

    Args:
        codes: (N, L) of items 1..N.
        embeddings: (N, D) of the same items.
        dispersion: squared or distance.
        shares: (N,) weight of each item, >= 0; None = all alike.

    Raises:
        InputError: if codes and embeddings differ in number, or nothing has a weight.

    >>> found = disambiguation(torch.tensor([[0, 0], [0, 1], [1, 0]]), torch.tensor([[0.0], [2.0], [7.0]]))
    >>> [round(float(value), 4) for value in found.dispersion]
    [8.6667, 0.6667, 0.0]
    """
    if len(codes) != len(embeddings):
        raise InputError(f"{len(codes)} items have codes but {len(embeddings)} have embeddings; give those of one bank")
    shares = torch.ones(len(codes)) if shares is None else shares
    shares = shares.double()
    if not float(shares.sum()) > 0:
        raise InputError("no item has a weight, so the dispersion is of nothing; use items=uniform")
    shares = shares / shares.sum()
    rows = embeddings.double()
    group = torch.zeros(len(codes), dtype=torch.int64)
    found = [_dispersion(rows, group, shares, dispersion)]
    for level in codes.unbind(1):
        # Groups are renumbered 0.. at each level: the keys stay small however many levels there are.
        group = torch.unique(group * (int(codes.max()) + 1) + level, return_inverse=True)[1]
        found.append(_dispersion(rows, group, shares, dispersion))
    mu = torch.stack(found)
    return Disambiguation(mu, mu[:-1] - mu[1:])


def front_greater_weights(
    found: Disambiguation, *, form: str = "gain", gamma: float = 1.0, mu_0: float = 0.0
) -> Tensor:
    """Weights (L,) of the levels, mean 1; see `FrontGreaterConfig` for the arguments.

    Raises:
        InputError: if no level has a gain.

    >>> gain = torch.tensor([8.580, 13.306, 4.458, 0.428])  # Yelp, from the authors' code
    >>> found = Disambiguation(torch.tensor([26.772]), gain)
    >>> [round(float(weight), 2) for weight in front_greater_weights(found, form="log1p")]
    [1.3, 1.53, 0.97, 0.2]
    """
    gain = found.gain.clamp(min=0)
    if not float(gain.sum()) > 0:
        raise InputError(
            "no code of any level tells items apart: their embeddings are equal within every prefix; check the embeddings, "
            "or use another objective than front_greater"
        )
    if form == "log1p":
        raw = (gain * (mu_0 / found.dispersion[0] if mu_0 else 1.0)).log1p()
    elif form == "power":
        raw = torch.where(gain > 0, (gain / found.dispersion[0]) ** gamma, 0.0)
    else:
        raw = gain
    return raw / raw.mean()


def _dispersion(rows: Tensor, group: Tensor, shares: Tensor, dispersion: str) -> Tensor:
    """Mean over items of the dispersion of their group; both means are weighted by `shares`."""
    n_groups = int(group.max()) + 1
    mass = torch.zeros(n_groups, dtype=torch.float64).index_add_(0, group, shares)
    centroids = torch.zeros(n_groups, rows.shape[1], dtype=torch.float64)
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        centroids.index_add_(0, group[part], rows[part] * shares[part, None])
    centroids /= mass.clamp(min=torch.finfo(torch.float64).tiny)[:, None]
    total = torch.zeros((), dtype=torch.float64)
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        squared = (rows[part] - centroids[group[part]]).square().sum(dim=1)
        total += (shares[part] * (squared if dispersion == "squared" else squared.sqrt())).sum()
    return total
